// Python's stable ABI as of 3.10, the one place that chooses it. Included first by every file that needs Python.
#pragma once

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
