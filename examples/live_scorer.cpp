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
#include <set>
#include <thread>

using namespace elbo;
using Clock = std::chrono::steady_clock;

namespace {

struct Request {
  std::int64_t number;
  datasets::Dataset picture;
  Clock::time_point came = Clock::now();
};

struct Answer {
  std::int64_t number;
  double score;
  std::chrono::duration<double, std::milli> took;
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

std::vector<Answer> score_all(Queue& queue, models::Model& model) {
  std::vector<Answer> answers;
  while (std::optional<Request> request = queue.pop()) {
    double score = models::score(model, request->picture, {.codes = models::Codes::mean})[0].loss;
    answers.push_back({request->number, score, Clock::now() - request->came});
  }
  return answers;
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = argc > 1 ? argv[1] : "runs/live_scorer";
  if (argc < 2)  // for those who have no run yet
    models::train(folder, {.model = {.hidden = {256}, .latent = 10}, .train = {.epochs = 3}},
                  datasets::load("shapes", datasets::Split::train, {}, {.count = 4000}));
  auto [name, run, model] = models::open(folder);
  datasets::Dataset test = models::load_data(run.config().data, datasets::Split::test).first(20);

  set_num_threads(1);  // of elbo's own: here each thread computes by itself
  Queue queue;
  std::vector<std::future<std::vector<Answer>>> threads;
  for (int i = 0; i < 4; ++i)
    threads.push_back(std::async(std::launch::async, score_all, std::ref(queue), std::ref(*model)));
  const Clock::time_point begin = Clock::now();
  for (std::int64_t i = 0; i < 1000; ++i) {
    const std::vector<std::int64_t> one{i % 20};
    queue.push(Request{one[0], test.subset(one)});
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  for (std::size_t i = 0; i < threads.size(); ++i) queue.push({});

  std::vector<std::set<double>> scores(20);  // all that were found for each picture
  std::vector<double> took;
  for (std::future<std::vector<Answer>>& thread : threads)
    for (const Answer& one : thread.get()) scores[one.number].insert(one.score), took.push_back(one.took.count());
  const std::chrono::duration<double> seconds = Clock::now() - begin;
  std::sort(took.begin(), took.end());
  std::cout << "1000 pictures, " << 1000 / seconds.count() << " a second; half took at most " << took[499]
            << " ms, all but ten " << took[989] << " ms\n";
  for (const std::set<double>& one : scores)
    if (one.size() != 1) throw std::runtime_error("threads found different scores for the same picture");
  std::cout << "20 pictures, each scored 50 times: the same score from every thread\n";
}
