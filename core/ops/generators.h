#pragma once
#include "../generator.h"

namespace elbo::ops {

/// The generator to draw from: the given one, or the device's default one for null. Throws DeviceError where the given
/// one lies on another device.
Generator& choose_generator(const char* op, Generator* generator, Device device);

}  // namespace elbo::ops
