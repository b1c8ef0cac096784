#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../core/input_detail.h"
#include "byte_source.h"
#include "dataset.h"
#include "idx.h"
#include "mat.h"

/// Internal: the readers over a source that is open already, be it a file or memory.
namespace elbo::datasets {

IdxArray read_idx(ByteSource& source, const std::string& file);
std::vector<MatArray> read_mat(std::unique_ptr<ByteSource> source, const std::string& file, const MatFilter& wanted);
/// So many records of CIFAR-10, or of CIFAR-100; without the names of the classes.
Dataset read_cifar_records(ByteSource& source, const std::string& name, bool ten, std::uint64_t records);

/// The pictures and factors of an archive of NumPy arrays; see load(). `count` pictures of this half, or 0 for all.
Dataset read_npz(detail::InputFile input, Split split, std::int64_t count);

}  // namespace elbo::datasets
