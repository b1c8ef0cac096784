#pragma once
#include <cstdint>

/// The kernels that are compiled once per instruction set (see elbo_cpu_variants in cmake/). A file in this folder
/// holds only names with internal linkage and defines exactly one table, named after the variant, such as
/// `elbo_gemm_table_v3`. It takes plain pointers and sizes, and uses no standard library template or inline function
/// and no elbo class with member functions: such code has weak symbols, of which the linker keeps one copy for all
/// variants, and an old processor would die of an illegal instruction. A test reads the symbols with nm.
#define ELBO_CONCAT_(a, b) a##b
#define ELBO_CONCAT(a, b) ELBO_CONCAT_(a, b)
/// The name of this variant's copy of `table`: ELBO_VARIANT_NAME(elbo_gemm_table_) is elbo_gemm_table_v3.
#define ELBO_VARIANT_NAME(table) ELBO_CONCAT(table, ELBO_VARIANT)
