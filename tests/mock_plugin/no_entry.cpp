// A library, but no plugin.
extern "C" int elbo_cuda_plugin_of_another_name() { return 1; }
