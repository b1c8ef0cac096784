#include "device.h"

#include <charconv>
#include <ostream>

#include "errors.h"
#include "storage.h"
#include "text.h"

namespace elbo {

Device Device::parse(std::string_view text) {
  if (text == "cpu") return {};
  if (text == "auto") return default_device();
  if (text == "cuda") return {DeviceType::cuda, 0};
  if (text.starts_with("cuda:")) {
    std::string_view digits = text.substr(5);
    int index = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error == std::errc() && end == digits.data() + digits.size() && index >= 0) return {DeviceType::cuda, index};
  }
  fail<DeviceError>("unknown device ", in_quotes(text), ": expected auto, cpu, cuda or cuda:N");
}

std::string Device::to_string() const {
  switch (type) {
    case DeviceType::cpu:
      return "cpu";
    case DeviceType::meta:
      return "meta";
    case DeviceType::cuda:
      break;
  }
  return "cuda:" + std::to_string(index);
}

bool available(Device device) {
  if (device.type == DeviceType::meta) return false;
  try {
    backend(device);
    return true;
  } catch (const DeviceError&) {
    return false;
  }
}

Device default_device() {
  constexpr Device first_gpu{DeviceType::cuda, 0};
  return available(first_gpu) ? first_gpu : cpu;
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << device.to_string(); }

}  // namespace elbo
