#include <algorithm>

#include "help.h"
#include "options.h"

namespace elbo::cli {
namespace {

std::string words(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : " ") + one;
  return out;
}

std::vector<std::string> command_words(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* command : commands_of(app)) out.push_back(command->get_name());
  return out;
}

bool is_file(const OptionFacts& option) {
  const std::string& type = option.type;
  return type.starts_with("FILE") || type.starts_with("DIR") || type.starts_with("RUN");
}

/// What can stand for the option's value, a command's name among them.
std::vector<std::string> choices_of(const CLI::App& app, const OptionFacts& option) {
  return option.type == "COMMAND" ? command_words(app) : option.choices;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// ---- bash ----

void append_bash(std::string& out, const CLI::App& app, const CLI::App& command) {
  out += "    " + command.get_name() + ")\n      case $prev in\n";
  std::string files, other, names, positional;
  for (const OptionFacts& option : options_of(command)) {
    const std::vector<std::string> choices = choices_of(app, option);
    if (option.positional) {
      positional = words(choices);
      continue;
    }
    names += (names.empty() ? "" : " ") + option.name;
    for (const std::string& one : option.other_names) names += " " + one;
    if (option.flag()) continue;
    const std::string pattern = option.short_name.empty() ? option.name : option.name + "|" + option.short_name;
    if (!choices.empty())
      out += "        " + pattern + ") values=" + shell_word(words(choices)) + " ;;\n";
    else
      (is_file(option) ? files : other) += (is_file(option) ? files : other).empty() ? pattern : "|" + pattern;
  }
  if (!files.empty()) out += "        " + files + ") mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n";
  if (!other.empty()) out += "        " + other + ") return ;;\n";
  out += "        *) options=" + shell_word(names) + "\n           positional=" + shell_word(positional) + " ;;\n";
  out += "      esac ;;\n";
}

std::string bash(const CLI::App& app) {
  std::string out =
      "# Completions of elbo for bash, by 'elbo completion bash'.\n"
      "_elbo() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} values='' options='' positional=''\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    values=" +
      shell_word(words(command_words(app)) + " --help --version") +
      "\n    mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$cur\")\n    return\n  fi\n"
      "  case ${COMP_WORDS[1]} in\n";
  for (const CLI::App* command : commands_of(app)) append_bash(out, app, *command);
  return out +
         "  esac\n"
         "  if [ -n \"$values\" ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$cur\")\n"
         "  elif [ \"${cur:0:1}\" = - ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
         "  elif [ -n \"$positional\" ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$positional\" -- \"$cur\")\n"
         "  else\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _elbo elbo\n";
}

// ---- zsh ----

/// A description in an argument of zsh's _arguments or _describe.
std::string zsh_text(std::string text) {
  for (const char* one : {"\\", "[", "]", ":"}) text = replaced(text, one, std::string("\\") + one);
  return text;
}

std::string zsh_action(const CLI::App& app, const OptionFacts& option) {
  const std::vector<std::string> choices = choices_of(app, option);
  const std::string action = !choices.empty() ? "(" + words(choices) + ")" : is_file(option) ? "_files" : " ";
  return ":" + zsh_text(option.type) + ":" + action;
}

std::string zsh(const CLI::App& app) {
  std::string out =
      "#compdef elbo\n# Completions of elbo for zsh, by 'elbo completion zsh'.\n_elbo() {\n  local -a commands\n  "
      "commands=(\n";
  for (const CLI::App* command : commands_of(app))
    out += "    " + shell_word(command->get_name() + ":" + zsh_text(command->get_description())) + "\n";
  out +=
      "  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n";
  for (const CLI::App* command : commands_of(app)) {
    out += "    " + command->get_name() + ")\n      _arguments";
    for (const OptionFacts& option : options_of(*command)) {
      const std::string spec = option.positional ? (option.many ? "*" : "1") + zsh_action(app, option)
                                                 : option.name + "[" + zsh_text(option.description) + "]" +
                                                       (option.flag() ? "" : zsh_action(app, option));
      out += " \\\n        " + shell_word(spec);
    }
    out += " ;;\n";
  }
  return out + "  esac\n}\nif [ \"$funcstack[1]\" = _elbo ]; then\n  _elbo \"$@\"\nelse\n  compdef _elbo elbo\nfi\n";
}

// ---- fish ----

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string fish(const CLI::App& app) {
  std::string out = "# Completions of elbo for fish, by 'elbo completion fish'.\ncomplete -c elbo -f\n";
  for (const CLI::App* command : commands_of(app))
    out += "complete -c elbo -n __fish_use_subcommand -a " + command->get_name() + " -d " +
           fish_quoted(command->get_description()) + "\n";
  for (const CLI::App* command : commands_of(app)) {
    const std::string seen = "complete -c elbo -n '__fish_seen_subcommand_from " + command->get_name() + "' ";
    for (const OptionFacts& option : options_of(*command)) {
      const std::vector<std::string> choices = choices_of(app, option);
      const std::string values = choices.empty() ? "" : " -a " + fish_quoted(words(choices));
      if (option.positional) {
        out += seen + (choices.empty() ? "-F" : values.substr(1)) + "\n";
        continue;
      }
      out += seen + "-l " + option.name.substr(2);
      if (!option.short_name.empty()) out += " -s " + option.short_name.substr(1);
      for (const std::string& other : option.other_names) out += " -l " + other.substr(2);
      if (!option.flag()) out += is_file(option) ? " -r -F" : " -x";
      out += values + " -d " + fish_quoted(option.description) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string completion_of(const CLI::App& app, const std::string& shell) {
  return shell == "bash" ? bash(app) : shell == "zsh" ? zsh(app) : fish(app);
}

}  // namespace elbo::cli
