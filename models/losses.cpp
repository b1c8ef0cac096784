#include "losses.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../core/errors.h"
#include "../core/text.h"

namespace elbo::models {

const double* Losses::find(std::string_view name) const {
  for (const auto& [term, nats] : terms)
    if (term == name) return &nats;
  return nullptr;
}

double Losses::operator[](std::string_view name) const {
  if (const double* nats = find(name)) return *nats;
  std::string names;
  for (const auto& [term, nats] : terms) names += (names.empty() ? "" : ", ") + term;
  fail<ValueError>("[Losses] expected one of ", names, ", found ", in_quotes(std::string(name)));
}

std::string term_title(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', ' ');
  for (std::size_t at = 0; (at = out.find("kl", at)) != std::string::npos; at += 2) {
    const bool begins = at == 0 || out[at - 1] == ' ', ends = at + 2 == out.size() || out[at + 2] == ' ';
    if (begins && ends) out.replace(at, 2, "KL");
  }
  return out;
}

const char* term_unit(std::string_view name) {
  if (name == "perplexity") return "entries";
  for (const char* plain : {"mmd", "dip_diagonal", "dip_off_diagonal", "decoder_norm", "commitment"})
    if (name == plain) return "";
  return "nats";
}

std::string loss_text(double nats, int width, int decimals) {
  if (!std::isfinite(nats)) return std::isnan(nats) ? "nan" : nats > 0 ? "inf" : "-inf";
  char text[350];  // the longest double has 309 digits before the point
  const double size = std::abs(nats);
  const int length =
      std::snprintf(text, sizeof text, "%.*f", size < 1 && nats != 0 ? std::max(decimals, 4) : decimals, nats);
  if (length <= width && (nats == 0 || size >= 0.001)) return text;
  for (int digits = 3; digits >= 0; --digits)
    if (std::snprintf(text, sizeof text, "%.*e", digits, nats) <= width) break;
  return text;
}

}  // namespace elbo::models
