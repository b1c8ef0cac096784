// Catch2 2 has no ready-made main; its runner is compiled here once.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
