/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists behind pickle_trust.h. Names are compared whole: "OrderedDict"
 * is allowed, "OrderedDict.fromkeys.__self__" is not, since a dotted name
 * walks from an object to whatever hangs on it. Submodules of a listed
 * module count as the module.
 */

#include "formats/pickle_trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *module;
    const char *names;
} allowed[] = {
#define ASSAY_PICKLE_ALLOW(module, names) {module, names},
#include "pickle_allowed.def"
#undef ASSAY_PICKLE_ALLOW
};

static const char *const python[] = {
#include "pickle_modules.def"
};

/* clang-format off */
/* Beyond Python: a module, or "module:name" for one name of it. */
static const char *const known_bad[] = {
    "IPython", "aiohttp", "cffi", "cloudpickle", "dill", "execnet", "fabric",
    "fickling", "git", "h5py", "httpx", "huggingface_hub", "invoke",
    "ipykernel", "jinja2", "joblib", "jupyter_client", "keras", "mlflow",
    "modelscan", "nltk", "numba", "numexpr", "numpy.compat", "numpy.ctypeslib",
    "numpy.distutils", "numpy.f2py", "numpy.lib", "numpy.testing",
    "numpy:fromfile", "numpy:load", "numpy:loads", "numpy:memmap",
    "numpy:save", "pandas", "paramiko", "pexpect", "picklescan", "pip",
    "pkg_resources", "plumbum", "psutil", "ptyprocess", "py", "pytest",
    "requests", "scipy.io", "setuptools", "sh", "six", "skops", "sympy",
    "tensorflow", "tf_keras", "torch._C", "torch._dynamo", "torch._inductor",
    "torch._ops", "torch.distributed", "torch.fx", "torch.hub", "torch.jit",
    "torch.multiprocessing", "torch.onnx", "torch.ops", "torch.package",
    "torch.serialization", "torch.storage", "torch.testing", "torch.utils",
    "torch:compile", "torch:load", "torch:save", "triton", "twisted",
    "urllib3", "win32api", "win32com", "yaml", "zmq",
};
/* clang-format on */

/* Is `module` the one named, or below it? */
static bool within(const char *module, const char *of, size_t n)
{
    return strncmp(module, of, n) == 0 &&
           (module[n] == '\0' || module[n] == '.');
}

static bool is_python(const char *module)
{
    for (size_t i = 0; i < sizeof(python) / sizeof(python[0]); i++) {
        if (within(module, python[i], strlen(python[i])))
            return true;
    }
    return false;
}

static bool is_known_bad(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof(known_bad) / sizeof(known_bad[0]); i++) {
        const char *of = known_bad[i];
        const char *colon = strchr(of, ':');

        if (!colon && within(module, of, strlen(of)))
            return true;
        if (colon && strlen(module) == (size_t)(colon - of) &&
            within(module, of, (size_t)(colon - of)) &&
            within(name, colon + 1, strlen(colon + 1)))
            return true;
    }
    return false;
}

static bool is_allowed(const char *module, const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || strpbrk(name, " .") || strchr(module, ' '))
        return false;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        const char *at = allowed[i].names;

        if (strcmp(module, allowed[i].module) != 0)
            continue;
        while ((at = strstr(at, name)) != NULL) {
            if (at[-1] == ' ' && at[n] == ' ')
                return true;
            at++;
        }
    }
    return false;
}

enum assay__pickle_trust assay__pickle_judge(const char *module,
                                             const char *name, const char **why)
{
    const char *unused;

    if (!why)
        why = &unused;
    *why = "is on the list of harmless names";
    if (is_allowed(module, name))
        return ASSAY__TRUST_ALLOWED;
    if (is_python(module)) {
        *why = "is part of Python itself and not on the list of harmless names";
        return ASSAY__TRUST_DANGEROUS;
    }
    if (is_known_bad(module, name)) {
        *why = "belongs to a library that can run code or reach files";
        return ASSAY__TRUST_DANGEROUS;
    }
    if (strchr(name, '.')) {
        *why = "walks from an object to what hangs on it";
        return ASSAY__TRUST_DANGEROUS;
    }
    *why = "is not on the list of harmless names";
    return ASSAY__TRUST_UNKNOWN;
}
