#pragma once
/// What ops with kernels of their own, and backends, are made of, beside what <elbo/elbo.h> has.

#include "core/api.h"
#include "core/backend.h"
#include "core/backend_types.h"
#include "core/errands.h"
#include "core/functors.h"
#include "core/index_kernels.h"
#include "core/kernels.h"
#include "core/optimizer_math.h"
#include "core/philox.h"
#include "core/scalar_math.h"
#include "core/special_math.h"
