#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/classifier.h"

namespace switchyard {

using TensorMap = std::map<std::string, Tensor>;

// Files hold PyTorch's layouts: convolution weights are OIHW there and OHWI in the engine. Stacks
// are taken apart by nn::published() first.
// Both return a tensor on the host: the one given where the layouts agree, else a copy; never
// history. Only to_file_layout() takes tensors of other devices.
Tensor to_file_layout(const Tensor& tensor, nn::NamedTensor::Layout layout);
Tensor from_file_layout(const Tensor& tensor, nn::NamedTensor::Layout layout);

/// Shape that a published tensor of the engine has in a file.
Shape file_shape(const Shape& shape, nn::NamedTensor::Layout layout);

/// Copies in file layout, on the host.
TensorMap export_tensors(const std::vector<nn::PublishedTensor>& published);

/// Overwrites every published tensor, on whatever device, with its namesake from `tensors`, which
/// were read from `file`. `skipped` are the names and dtypes of tensors in the file that could not
/// be read (TensorFile::skipped), for the message about a missing one. Floating dtypes are
/// converted to the target's. A num_batches_tracked, which nothing reads, may be missing, as in
/// files of PyTorch before 0.4.1, and is 0 then. Error, before anything is overwritten, in one line
/// naming the file: missing and extra names; a wrong shape or dtype; a value that is not finite.
void import_tensors(std::vector<nn::PublishedTensor> published, const TensorMap& tensors,
                    const std::string& file,
                    const std::map<std::string, std::string>& skipped = {});

/// Parameters and buffers under PyTorch's names: "backbone.backbone.bn1.running_var", ...
/// num_batches_tracked is an int64 scalar.
TensorMap state_dict(Classifier& model);
/// import_tensors() of parameters and buffers: all must be there and nothing else.
void load_state_dict(Classifier& model, const TensorMap& tensors, const std::string& file,
                     const std::map<std::string, std::string>& skipped = {});

/// Elements of all parameters together.
std::int64_t parameter_count(Classifier& model);

}  // namespace switchyard
