// What the program does when a GPU fails it in mid-training: one line, exit status 1, and nothing lost.
#if defined(ELBO_PROGRAM)
#include <elbo/models/training/run.h>

#include <nlohmann/json.hpp>

#include "../program.h"
#include "../self.h"

using namespace elbo;

namespace {

bool emulated() {
  const char* library = std::getenv("ELBO_CUDA_LIBRARY");
  return library && std::string(library).find("emulated") != std::string::npos;
}

/// With a setting of the emulator, such as ELBO_EMULATOR_FAULT=100.
Ended train(const std::filesystem::path& out, const std::string& setting, const std::string& epochs,
            bool resume = false) {
  const std::string library = shell_quoted(std::getenv("ELBO_CUDA_LIBRARY"));
  std::vector<std::string> args = {"train", "--device", "cuda", "--epochs", epochs, "--out", out.string()};
  if (resume)
    args.emplace_back("--resume");
  else
    args.insert(args.end(), {"--dataset", "shapes", "--count", "40", "--hidden", "6", "--latent", "2", "--batch-size",
                             "16", "--val-size", "10"});
  return run_elbo(args, "env ELBO_CUDA_LIBRARY=" + library + " " + setting);
}

/// One line that has these words, after whatever was printed before.
void check_fault(const Ended& ended, const std::string& words) {
  INFO(ended.out << ended.err);
  CHECK(ended.status == 1);
  CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
  CHECK_THAT(ended.err, Catch::StartsWith("elbo train: ") && Catch::Contains(words));
}

}  // namespace

TEST_CASE("elbo train: a fault of the GPU ends it with status 1, and the run goes on to the same end", "[cuda][cli]") {
  if (!emulated()) return;  // tests/cuda/test_cuda_training.cpp provokes one on a real GPU
  TempDir dir;
  REQUIRE(train(dir / "whole", "", "6").status == 0);
  // An epoch is two steps, and some launches to validate: that many are well into the run.
  const Ended ended = train(dir / "faulty", "ELBO_EMULATOR_FAULT=500", "6");
  check_fault(ended, "illegal");
  const models::Run run = models::Run::open(dir / "faulty");
  CHECK(!run.history().empty());
  CHECK(run.history().size() < 6);
  REQUIRE(train(dir / "faulty", "", "6", true).status == 0);
  CHECK(read_file(dir / "faulty" / "model.safetensors") == read_file(dir / "whole" / "model.safetensors"));
  CHECK(read_file(dir / "faulty" / "checkpoint" / "state.safetensors") ==
        read_file(dir / "whole" / "checkpoint" / "state.safetensors"));
}

TEST_CASE("elbo train: a GPU that no kernel was compiled for is refused at once", "[cuda][cli]") {
  if (!emulated()) return;
  TempDir dir;
  const Ended ended = train(dir / "run", "ELBO_EMULATOR_OLD_GPU=1", "1");
  check_fault(ended, "device cuda:0 cannot be used: ");
  CHECK_THAT(ended.err, Catch::Contains("no kernel image") && Catch::Contains("sm_90; the plugin was built with CUDA"));
  CHECK(!std::filesystem::exists(dir / "run"));
}

TEST_CASE("(in a process of its own) a GPU without cuBLASLt", "[.cuda_without_cublaslt]") {
  std::string all;
  for (int i = 0; i < 3; ++i) {
    try {
      backend({DeviceType::cuda, 0});
    } catch (const DeviceError& error) {
      all += error.what() + std::string("; ");
    }
  }
  print_result(all + default_device().to_string());
}

TEST_CASE("a GPU without cuBLASLt is none that can be used: each attempt says why, and auto takes the CPU",
          "[cuda][cli]") {
  const std::string why =
      "cuBLASLt cannot be loaded: libcublasLt.so.99: cannot open shared object file: No such file or directory";
  const std::string setting = "ELBO_CUDA_LIBRARY=" + shell_quoted(ELBO_WITHOUT_CUBLASLT);
  const std::string attempt = "device cuda:0 cannot be used: " + why +
                              " (CUDA emulator, sm_90; the plugin was built "
                              "with CUDA 13.0 for CUDA emulator); ";
  CHECK(run_self(setting, "[.cuda_without_cublaslt]") == attempt + attempt + attempt + "cpu");

  const Ended doctor = run_elbo({"doctor", "--json"}, "env " + setting);
  REQUIRE(doctor.status == 0);
  const auto cuda = nlohmann::json::parse(doctor.out).at("cuda");
  CHECK(cuda.at("usable") == false);
  CHECK_THAT(cuda.at("why").get<std::string>(), Catch::Contains(why));
  REQUIRE(cuda.at("devices").size() == 1);
  CHECK_THAT(cuda.at("devices")[0].at("why").get<std::string>(), Catch::Contains(why));
  CHECK(cuda.at("devices")[0].at("kernels").is_null());
  CHECK_THAT(run_elbo({"doctor"}, "env " + setting).out, Catch::Contains("CUDA           cannot be used: cuBLASLt"));

  TempDir dir;
  const auto train_on = [&](const std::string& device) {
    return run_elbo({"train", "--device", device, "--dataset", "shapes", "--count", "40", "--hidden", "6", "--latent",
                     "2", "--epochs", "1", "--out", (dir / device).string()},
                    "env " + setting);
  };
  const Ended by_itself = train_on("auto");
  CHECK(by_itself.status == 0);
  CHECK_THAT(by_itself.err,
             Catch::StartsWith("elbo: note: --device auto takes the CPU: device cuda:0 cannot be used: " + why));
  CHECK(std::count(by_itself.err.begin(), by_itself.err.end(), '\n') == 1);
  check_fault(train_on("cuda"), why);
  CHECK(!std::filesystem::exists(dir / "cuda"));
}

TEST_CASE("what computes a product is recorded: doctor and a checkpoint name the version of cuBLASLt", "[cuda][cli]") {
  if (!emulated()) return;
  const std::string kernels = "CUDA emulator, cuBLASLt 13.0.0";
  TempDir dir;
  REQUIRE(train(dir / "run", "", "1").status == 0);
  CHECK(models::Run::open(dir / "run").read_checkpoint()->kernels == kernels);
  const Ended doctor = run_elbo({"doctor"}, "env ELBO_CUDA_LIBRARY=" + shell_quoted(std::getenv("ELBO_CUDA_LIBRARY")));
  CHECK_THAT(doctor.out, Catch::Contains(kernels + ", sm_90"));
}

TEST_CASE("elbo train: a GPU without the memory says how much was asked for, and leaves nothing half-written",
          "[cuda][cli]") {
  if (!emulated()) return;
  TempDir dir;
  // cuBLASLt's workspace is 32 MiB, so that this leaves half a MiB for everything else.
  check_fault(train(dir / "small", "ELBO_EMULATOR_MEMORY=34078720", "1"), "no memory left on the GPU: requested ");
  if (!std::filesystem::exists(dir / "small")) return;
  REQUIRE(train(dir / "small", "", "1", true).status == 0);
}
#endif
