#include "data/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <vector>

#include "engine/core/check.h"
#include "engine/io/files.h"

namespace switchyard {

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  EVP_MD_CTX* context = state_->context.get();
  check(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1,
        "OpenSSL offers no SHA-256");
}

Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
}

std::string Sha256::finish() {
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256_of_file(const std::filesystem::path& path) {
  Sha256 sum;
  InputFile file(path);
  std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::size_t got = block.size(); got == block.size();) {
    got = file.read(block.data(), block.size());
    sum.add(std::span(block).first(got));
  }
  return sum.finish();
}

}  // namespace switchyard
