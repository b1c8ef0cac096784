// A second unit that includes everything: a function defined in a header without `inline` would not link.
#include <elbo/elbo.h>
