#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "../core/cpu/isa.h"
#include "../core/errors.h"
#include "catch.h"
#include "self.h"

namespace {

using namespace elbo;
namespace fs = std::filesystem;

struct Symbol {
  char type;
  std::string name;
};

// What an object defines and others see. Sanitizers add some of their own.
std::vector<Symbol> visible_symbols(const fs::path& object) {
  std::vector<Symbol> symbols;
  std::istringstream lines(output_of("nm --defined-only '" + object.string() + "'"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address;
    Symbol symbol{};
    if (!(words >> address >> symbol.type >> symbol.name)) continue;
    // The last two describe types of functions, for clang's check of calls through pointers: data, no code.
    bool of_sanitizer = false;
    for (const char* begin : {"__odr_asan", "asan.", "tsan.", "_ZTIF", "_ZTSF"})
      of_sanitizer = of_sanitizer || symbol.name.rfind(begin, 0) == 0;
    const bool local =
        symbol.type >= 'a' && symbol.type <= 'z' && symbol.type != 'u' && symbol.type != 'v' && symbol.type != 'w';
    if (!local && !of_sanitizer) symbols.push_back(symbol);
  }
  return symbols;
}

std::vector<fs::path> objects_of(const std::string& variant) {
  std::vector<fs::path> objects;
  const fs::path folder = fs::path(ELBO_BINARY_DIR) / "CMakeFiles" / ("elbo_" + variant + ".dir");
  if (!fs::exists(folder)) return objects;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".o") objects.push_back(entry.path());
  std::sort(objects.begin(), objects.end());
  return objects;
}

TEST_CASE("variants: an object shows one table and nothing that a linker could share", "[variants]") {
  std::size_t of_baseline = 0;
  for (const char* variant : {"baseline", "v3", "v4"}) {
    const std::vector<fs::path> objects = objects_of(variant);
    if (std::string(variant) == "baseline") {
      of_baseline = objects.size();
      REQUIRE(of_baseline >= 1);
    } else if (!objects.empty()) {
      REQUIRE(objects.size() == of_baseline);
    }
    for (const fs::path& object : objects) {
      const std::vector<Symbol> symbols = visible_symbols(object);
      std::string found;
      for (const Symbol& symbol : symbols) found += std::string(" ") + symbol.type + " " + symbol.name;
      INFO(object << ":" << found);
      REQUIRE(symbols.size() == 1);
      // A constant table: read-only data, or data whose pointers are filled in at load time.
      REQUIRE(std::string("RDB").find(symbols[0].type) != std::string::npos);
      REQUIRE(symbols[0].name.find("_table_" + std::string(variant)) != std::string::npos);
    }
  }
}

TEST_CASE("variants: names, order and the one in use", "[variants]") {
  const std::vector<cpu_kernels::Isa> isas = cpu_kernels::available_isas();
  REQUIRE(isas.front() == cpu_kernels::Isa::baseline);
  REQUIRE(std::is_sorted(isas.begin(), isas.end()));
  REQUIRE(std::count(isas.begin(), isas.end(), cpu_kernels::active_isa()) == 1);
  REQUIRE(std::string(cpu_kernels::name(cpu_kernels::Isa::v3)) == "v3");
}

// Run by the tests below in a process of its own.
TEST_CASE("print active_isa", "[.print-active-isa]") {
  try {
    print_result(cpu_kernels::name(cpu_kernels::active_isa()));
  } catch (const ValueError& error) {
    print_result(std::string("ValueError ") + error.what());
  }
}

std::string isa_under(const std::string& environment) { return run_self(environment, "[.print-active-isa]"); }

TEST_CASE("variants: ELBO_ISA forces one", "[variants]") {
  for (cpu_kernels::Isa isa : cpu_kernels::available_isas())
    REQUIRE(isa_under(std::string("ELBO_ISA=") + cpu_kernels::name(isa)) == cpu_kernels::name(isa));
  REQUIRE(isa_under("ELBO_ISA=") == isa_under("-u ELBO_ISA"));
}

TEST_CASE("variants: ELBO_ISA with a name that is none", "[variants]") {
  for (const char* nonsense : {"v5", "avx2", "V3", "v3 ", "0"})
    REQUIRE(isa_under("ELBO_ISA='" + std::string(nonsense) + "'") ==
            "ValueError ELBO_ISA: expected baseline, v3 or v4, found \"" + std::string(nonsense) + "\"");
}

TEST_CASE("variants: ELBO_ISA with one that this processor lacks", "[variants]") {
  const cpu_kernels::Isa best = cpu_kernels::available_isas().back();
  for (cpu_kernels::Isa isa : {cpu_kernels::Isa::v3, cpu_kernels::Isa::v4}) {
    if (isa <= best) continue;
    const std::string found = isa_under(std::string("ELBO_ISA=") + cpu_kernels::name(isa));
    REQUIRE(found.find("ValueError ELBO_ISA: expected a variant that this processor can run") == 0);
    REQUIRE(found.find(std::string("found ") + cpu_kernels::name(isa)) != std::string::npos);
  }
}

TEST_CASE("variants: the choice for this processor", "[variants]") {
  REQUIRE(isa_under("-u ELBO_ISA") == cpu_kernels::name(cpu_kernels::available_isas().back()));
}

}  // namespace
