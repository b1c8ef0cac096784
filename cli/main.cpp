#include <elbo/cli.h>

int main(int argc, char** argv) { return elbo::run_cli(argc, argv); }
