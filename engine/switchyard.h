#pragma once

// The engine in one include, for programs outside the tree: tensors, operations and derivatives.
// Layers, models, training and analysis have headers of their own below models/, training/ and
// analysis/.

#include "engine/autograd/explain.h"
#include "engine/autograd/grad.h"
#include "engine/autograd/gradcheck.h"
#include "engine/autograd/hvp.h"
#include "engine/autograd/jvp.h"
#include "engine/autograd/node.h"
#include "engine/core/check.h"
#include "engine/core/random.h"
#include "engine/core/tensor.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/dropout.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/norm.h"
#include "engine/ops/reduction.h"
#include "engine/ops/routing.h"
#include "engine/ops/shape.h"
#include "engine/ops/softmax.h"
