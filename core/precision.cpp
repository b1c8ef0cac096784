#include "precision.h"

namespace elbo {
namespace {

thread_local Precision active = Precision::float32;

}  // namespace

PrecisionGuard::PrecisionGuard(Precision precision) : before_(active) { active = precision; }
PrecisionGuard::~PrecisionGuard() { active = before_; }

Precision active_precision() { return active; }

}  // namespace elbo
