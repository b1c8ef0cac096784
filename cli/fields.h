#pragma once
#include <elbo/models/fields.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

/// Options for settings that are declared once, by `fields` of a struct of settings: name, help, limits, choices and
/// default all come from there.
namespace elbo::cli {

/// `--batch-size` for `batch_size`.
std::string option_of(const std::string& field);
/// `batch_size` for `--batch-size`.
std::string field_of(const std::string& option);

/// The heading of the help that a field's option comes under; empty for a field that is to have no option.
using HeadingOf = std::function<std::string(const std::string& field)>;
/// Adds an option for each field that is not only for files, but for those whose option the command has. A setting that
/// is on has `--no-NAME` too. The defaults are the values that the fields have now.
void add_fields(CLI::App& command, const models::VisitFields& visit, const HeadingOf& heading_of);
/// Sets the fields whose options were given on the command line, but for a device, which see device_of.
void read_fields(const CLI::App& command, const models::VisitFields& visit);

}  // namespace elbo::cli
