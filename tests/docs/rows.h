#pragma once
// What the program that rows.awk makes of a page's tables begins with.
#include <elbo/elbo.h>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

using namespace elbo;

/// One code span of a table, what its last expression must print ("" for anything), and a function that prints it.
struct Row {
  int line;
  std::string code, expected;
  std::string (*run)();
};

inline std::string squeezed(const std::string& text) {
  std::istringstream in(text);
  std::string word, out;
  while (in >> word) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// Runs all and says which rows throw or print something else; 1 if any does.
inline int run_rows(const std::string& page, const std::vector<Row>& rows) {
  int failed = 0;
  for (const Row& row : rows) {
    std::string found;
    bool ok = true;
    try {
      found = squeezed(row.run());
      ok = found == squeezed(row.expected);
    } catch (const std::exception& error) {
      found = error.what();
      ok = false;
    }
    if (ok) continue;
    failed = 1;
    std::cout << page << ":" << row.line << ": " << row.code << "\n    expected: " << row.expected
              << "\n    found:    " << found << "\n";
  }
  return failed;
}
