#pragma once

#include "kernels/api/conv2d.h"

// These functions compute the convolution's faces as their definition says, one output after the
// other on one thread, with sums in double; T is float or double.

namespace switchyard::kernels {

template <class T>
void conv2d_plain_loops(Cpu&, const Conv2d<T>& a);
template <class T>
void conv2d_plain_loops(Cpu&, const Conv2dInputGrad<T>& a);
template <class T>
void conv2d_plain_loops(Cpu&, const Conv2dWeightGrad<T>& a);

}  // namespace switchyard::kernels
