#include <algorithm>
#include <sstream>

#include "help.h"
#include "options.h"

namespace elbo::cli {
namespace {

/// Text as roff takes it.
std::string roff(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '~')
      out += "\\(ti";
    else
      out += c;
  }
  return out;
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

std::string page_name(const CLI::App& command) {
  std::string name = full_name(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

void append_options(std::string& out, const std::vector<OptionFacts>& options, bool positional,
                    const std::string& heading = "") {
  for (const OptionFacts& option : options) {
    if (option.positional != positional || (!positional && option.heading != heading)) continue;
    out += ".TP\n";
    if (positional) {
      out += italic(option.type);
    } else {
      if (!option.short_name.empty()) out += bold(option.short_name) + ", ";
      out += bold(option.name);
      for (const std::string& other : option.other_names) out += ", " + bold(other);
      out += (option.flag() ? "" : " " + italic(option.type));
    }
    const std::string notes = notes_of(option);
    out += "\n" + roff(option.description) + ".\n" + (notes.empty() ? "" : "[" + roff(notes) + "]\n");
  }
}

/// Lines that are indented are commands, as they are; others are text.
void append_footer(std::string& out, const std::string& footer) {
  std::istringstream lines(footer);
  bool code = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(' ') != code) {
      code = !code;
      out += code ? ".PP\n.nf\n.RS\n" : ".RE\n.fi\n.PP\n";
    }
    out += roff(code ? line.substr(line.find_first_not_of(' ')) : line) + "\n";
  }
  if (code) out += ".RE\n.fi\n";
}

}  // namespace

std::string man_page(const CLI::App& command) {
  const std::string name = page_name(command);
  std::string title = name;
  std::transform(title.begin(), title.end(), title.begin(), [](char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; });
  std::string description = command.get_description();
  if (description.ends_with('.')) description.pop_back();
  std::string out = ".TH " + roff(title) + " 1 \"\" \"elbo " ELBO_VERSION "\" \"elbo\"\n.SH NAME\n" + roff(name) +
                    " \\- " + roff(description) + "\n.SH SYNOPSIS\n" + bold(usage_of(command)) + "\n";
  if (!commands_of(command).empty()) out += ".SH COMMANDS\n";
  for (const CLI::App* one : commands_of(command))
    out += ".TP\n" + bold("elbo-" + one->get_name()) + "(1)\n" + roff(one->get_description()) + ".\n";
  out += ".SH OPTIONS\n";
  const std::vector<OptionFacts> options = options_of(command);
  append_options(out, options, true);
  const std::vector<std::string> headings = headings_of(options);
  for (const std::string& heading : headings) {
    if (headings.size() > 1) out += ".SS " + roff(heading) + "\n";
    append_options(out, options, false, heading);
  }
  if (!command.get_footer().empty()) {
    out += ".SH EXAMPLES\n";
    append_footer(out, command.get_footer());
  }
  out +=
      ".SH EXIT STATUS\n0 after success, 1 after a fault at run time, 2 for bad input or options, 130 or 143 where a\n"
      "signal stopped the command.\n.SH SEE ALSO\n";
  return out + (command.get_parent() ? bold("elbo") + "(1)\n" : bold("elbo help") + " \\fICOMMAND\\fR\n");
}

}  // namespace elbo::cli
