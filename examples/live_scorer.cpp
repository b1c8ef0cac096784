// A live scorer: a model loaded once, and four threads that score pictures as they come, from a queue. Prints how many
// came in a second, how long they took, and whether every thread finds the same score for the same picture. Without RUN
// it first trains a small model, on pictures that it draws itself.
// live_scorer [RUN]
#include <elbo/elbo.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <queue>
#include <thread>

using namespace elbo;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

namespace {

struct Request {
  std::size_t number;
  datasets::Dataset picture;
  Clock::time_point came = Clock::now();
};

/// Requests for any number of threads. Nothing instead of a request tells one thread to stop.
class Queue {
 public:
  void push(std::optional<Request> request) {
    const std::lock_guard lock(mutex_);
    waiting_.push(std::move(request));
    changed_.notify_one();
  }
  std::optional<Request> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    std::optional<Request> request = std::move(waiting_.front());
    waiting_.pop();
    return request;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<std::optional<Request>> waiting_;
};

}  // namespace

int main(int argc, char** argv) try {
  const std::filesystem::path folder = argc > 1 ? argv[1] : "runs/live_scorer";
  if (argc < 2)  // for those who have no run yet
    models::train(folder, {.model = {.hidden = {256}, .latent = 10}, .train = {.epochs = 3}},
                  datasets::load("shapes", datasets::Split::train, {}, {.count = 4000}));
  auto [name, run, model] = models::open(folder);
  datasets::Dataset test = models::load_data(run.config().data, datasets::Split::test);

  set_num_threads(1);  // of elbo's own: here each thread computes by itself
  Queue queue;
  std::vector<double> scores(1000), took(1000);  // of each request: the thread that has it writes there
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::async(std::launch::async, [&, &scorer = *model] {
      while (std::optional<Request> request = queue.pop()) {
        scores[request->number] = models::score(scorer, request->picture, {.codes = models::Codes::mean})[0].loss;
        took[request->number] = Milliseconds(Clock::now() - request->came).count();
      }
    }));
  }

  const Clock::time_point begin = Clock::now();
  for (std::size_t i = 0; i < scores.size(); ++i) {  // twenty pictures, again and again
    queue.push(Request{i, test.subset(std::vector<std::int64_t>{std::int64_t(i) % 20})});
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  for (std::size_t i = 0; i < threads.size(); ++i) queue.push({});
  for (std::future<void>& thread : threads) thread.get();
  const double seconds = Milliseconds(Clock::now() - begin).count() / 1000;

  std::sort(took.begin(), took.end());
  std::cout << "1000 pictures, " << 1000 / seconds << " a second; half of them took at most " << took[499]
            << " ms, all but ten " << took[989] << " ms\n";
  int other = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) other += scores[i] != scores[i % 20];
  std::cout << "scores that are not the first one of their picture: " << other << "\n";
  return other == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "live_scorer: " << error.what() << "\n";
  return 2;
}
