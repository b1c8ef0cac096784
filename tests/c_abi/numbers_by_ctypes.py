"""usage: numbers_by_ctypes.py LIBRARY RUN: the same as numbers.c, by ctypes, with NumPy arrays; from several threads."""

import ctypes
import sys
import threading

import numpy as np

elbo = ctypes.CDLL(sys.argv[1])
floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
size, model_p, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
elbo.elbo_last_error.restype = text
for name in ("channels", "height", "width", "pixels", "latent", "classes"):
    function = getattr(elbo, "elbo_" + name)
    function.restype, function.argtypes = ctypes.c_int64, [model_p]
elbo.elbo_load_run.argtypes = [text, text, ctypes.POINTER(model_p)]
elbo.elbo_free.argtypes, elbo.elbo_free.restype = [model_p], None
elbo.elbo_encode.argtypes = [model_p, floats, size, model_p, size, floats, size, floats, size]
elbo.elbo_decode.argtypes = [model_p, floats, size, model_p, size, floats, size]
elbo.elbo_reconstruct.argtypes = [model_p, floats, size, model_p, size, floats, size]
elbo.elbo_score.argtypes = [model_p, floats, size, model_p, size, ctypes.c_int64, ctypes.c_uint64, floats, size]
elbo.elbo_sample.argtypes = [model_p, ctypes.c_uint64, model_p, size, floats, size]


def check(status):
    if status != 0:
        sys.exit(f"status {status}: {elbo.elbo_last_error().decode()}")


def printed(what, numbers):
    return what + "".join(" %.9g" % number for number in numbers) + "\n"


def numbers(model):
    shape = [3, elbo.elbo_channels(model), elbo.elbo_height(model), elbo.elbo_width(model)]
    pixels = int(np.prod(shape))
    pictures = ((np.arange(pixels) * 37 % 251).astype(np.float32) / np.float32(250)).reshape(shape)
    codes = [3, elbo.elbo_latent(model)]
    mean, logvar = np.empty(codes, np.float32), np.empty(codes, np.float32)
    decoded, again, samples = (np.empty(shape, np.float32) for _ in range(3))
    scores = np.empty(3, np.float32)
    check(elbo.elbo_encode(model, pictures, pixels, None, 0, mean, mean.size, logvar, logvar.size))
    check(elbo.elbo_decode(model, mean, mean.size, None, 0, decoded, pixels))
    check(elbo.elbo_reconstruct(model, pictures, pixels, None, 0, again, pixels))
    check(elbo.elbo_score(model, pictures, pixels, None, 0, 2, 3, scores, 3))
    check(elbo.elbo_sample(model, 9, None, 0, samples, pixels))
    return (
        "sizes %d %d %d %d\n" % (*shape[1:], codes[1])
        + printed("mean", mean.flat)
        + printed("logvar", logvar.flat)
        + printed("decoded", decoded.flat[:20])
        + printed("reconstructed", again.flat[:20])
        + printed("scores", scores)
        + printed("samples", samples.flat[:20])
    )


loaded = model_p()
if elbo.elbo_load_run(b"/nowhere/at all", b"cpu", loaded) == 0 or b"/nowhere" not in elbo.elbo_last_error():
    sys.exit("a run that is not there: expected a message with its name")
check(elbo.elbo_load_run(sys.argv[2].encode(), b"cpu", loaded))
found = [""] * 4


def work(i):
    found[i] = numbers(loaded)


threads = [threading.Thread(target=work, args=(i,)) for i in range(len(found))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if any(one != found[0] for one in found):
    sys.exit("threads that use one model found different numbers")
sys.stdout.write(found[0])
elbo.elbo_free(loaded)
