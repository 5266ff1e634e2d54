#include "data/identity.h"

#include <bit>

#include "data/sha256.h"
#include "engine/io/json.h"
#include "engine/io/path_text.h"

namespace switchyard {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "labels are hashed as they lie in memory");

void add_set(Sha256& hash, const ImageDataset& set) {
  const std::string header = set.images.shape().to_string() + "\n";
  hash.add(std::as_bytes(std::span(header)));
  hash.add(std::as_bytes(set.images.span<std::uint8_t>()));
  hash.add(std::as_bytes(set.labels.span<std::int64_t>()));
}

}  // namespace

std::string image_fingerprint(const DatasetPair& data) {
  Sha256 hash;
  add_set(hash, data.train);
  add_set(hash, data.test);
  return "sha256:" + hash.finish();
}

DataIdentity identify(const DatasetPair& data) {
  return {data.train.name, data.train.source, path_of_text(data.train.directory),
          image_fingerprint(data)};
}

void check_same_images(const DataIdentity& expected, const DataIdentity& found,
                       const std::filesystem::path& directory) {
  check<UsageError>(expected.fingerprint == found.fingerprint,
                    "{}: belongs to the images of {} that were in {} ({}); those in {} are others: "
                    "{} ({}); --data names the right directory",
                    directory.string(), expected.name, expected.location.string(),
                    expected.fingerprint, found.location.string(), found.name, found.fingerprint);
}

json to_json(const DataIdentity& identity) {
  return {{"schema", "switchyard-data/1"},
          {"name", identity.name},
          {"source", identity.source},
          {"location", text_of_path(identity.location)},
          {"fingerprint", identity.fingerprint}};
}

DataIdentity read_data_identity(const std::filesystem::path& path) {
  JsonObject object(read_json(path), path.string());
  DataIdentity identity;
  object.optional<std::string>("schema", "");
  identity.name = object.required<std::string>("name");
  identity.source = object.required<std::string>("source");
  identity.location = path_of_text(object.required<std::string>("location"));
  identity.fingerprint = object.required<std::string>("fingerprint");
  object.finish();
  return identity;
}

}  // namespace switchyard
