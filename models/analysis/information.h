#pragma once
#include <cstdint>
#include <vector>

#include "../../core/api.h"
#include "../../datasets/dataset.h"
#include "../latent_model.h"

namespace ELBO_API elbo {
namespace models {

/// How much the codes of a dataset say, nats per picture.
struct CodeInformation {
  std::vector<double> kl = {};             ///< [latent]: KL(q(z_j|x) || N(0, 1)), mean over the pictures
  std::vector<double> mean_variance = {};  ///< [latent]: variance of the posterior mean over the pictures
  std::vector<std::int64_t> active = {};   ///< dimensions where that is above 0.01 (Burda et al. 2016, section 5.2)
  double mutual_information = 0;  ///< I(x; z) = E log q(z|x) - E log q(z), q(z) the mean of q(z|x) over the pictures
  double marginal_kl = 0;         ///< KL(q(z) || p(z)); with I(x; z) it adds up to the mean KL(q(z|x) || p(z))
};

/// For a model whose posterior is a Gaussian with independent dimensions. I(x; z) and KL(q(z) || p(z)) are the two
/// parts of the KL term (Hoffman and Johnson 2016, equation 6), estimated with one draw of z for each picture and all
/// pictures in q(z), so that I(x; z) is at most log of their number. Throws ValueError for another posterior and for no
/// pictures.
CodeInformation code_information(LatentModel& model, const datasets::Dataset& dataset, std::uint64_t seed = 0);

/// At most `count` dimensions of the codes, those that say most of the dataset's pictures, in ascending order: of the
/// largest KL for a Gaussian posterior with independent dimensions, else those whose codes vary most. Looks at 500
/// pictures at most. Throws ValueError for a model without codes and for no pictures.
std::vector<std::int64_t> telling_dimensions(Model& model, const datasets::Dataset& dataset, std::int64_t count);

}  // namespace models
}  // namespace elbo
