#include "data/known_files.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace switchyard {
namespace {

enum Index : std::size_t { kMnist, kFashionMnist };

struct KnownFile {
  std::string_view sha256;
  Index dataset;
};

// The unpacked files: compressed anew, as by Debian, they still are the same. MNIST's sums are
// those of the files at http://yann.lecun.com/exdb/mnist and its mirror
// https://storage.googleapis.com/cvdf-datasets/mnist, as many projects that download them publish
// them. Fashion-MNIST's (https://github.com/zalandoresearch/fashion-mnist) are those of Debian's
// package dataset-fashion-mnist.
constexpr std::array kKnownFiles = {
    KnownFile{"ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", kMnist},
    KnownFile{"65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", kMnist},
    KnownFile{"0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", kMnist},
    KnownFile{"ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", kMnist},
    KnownFile{"c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", kFashionMnist},
    KnownFile{"bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", kFashionMnist},
    KnownFile{"5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", kFashionMnist},
    KnownFile{"0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", kFashionMnist}};

}  // namespace

const std::vector<KnownDataset>& known_datasets() {
  static const std::vector<KnownDataset> datasets = {
      {"MNIST", {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, false},
      {"Fashion-MNIST",
       {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot"},
       true}};
  return datasets;
}

const KnownDataset* dataset_of_file(const std::string& sha256) {
  const auto* known = std::ranges::find(kKnownFiles, sha256, &KnownFile::sha256);
  return known != kKnownFiles.end() ? &known_datasets()[known->dataset] : nullptr;
}

const KnownDataset* dataset_named(const std::string& name) {
  const auto known = std::ranges::find(known_datasets(), name, &KnownDataset::name);
  return known != known_datasets().end() ? &*known : nullptr;
}

}  // namespace switchyard
