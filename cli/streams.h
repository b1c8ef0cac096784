#pragma once
#include <string>

/// The program's standard streams.
namespace elbo::cli {

/// To be called before anything is opened or printed. A stream that is closed gets a stand-in, so that no file that is
/// opened later takes its number and gets what is printed. A closed pipe ends the program quietly, whatever it
/// inherited. A file beyond the size that the shell allows is an error, not the program's end.
void prepare_streams();

/// Writes what is left of standard output. Why not all that was printed arrived, or empty where it did.
std::string output_problem();

}  // namespace elbo::cli
