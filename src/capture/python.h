// Python's stable ABI as of 3.10, the one place that chooses it. Included first by every file that needs Python.
#pragma once

#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030A0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace headrace::capture {

// A function as the value of a PyType_Slot.
template <class Function>
void* slot(Function* function) {
    return reinterpret_cast<void*>(function);
}

}  // namespace headrace::capture
