// SPDX-License-Identifier: Apache-2.0
#include "server/signing_key.h"

#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "base/file.h"
#include "base/path.h"
#include "server/openssl.h"
#include "server/secrets.h"

namespace wherry::server {
namespace {

constexpr std::size_t kBits = 2048;
constexpr ByteCount kMaxKeyFile = 64 << 10;

Result<Key> key_of(const std::string& pem) {
  Key key = private_key_of(pem);
  if (!key || ::EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA)
    return make_error(Code::kCorrupt, "the file holds no RSA key; move it away to get a new one");
  return key;
}

std::string number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  CHECK(::EVP_PKEY_get_bn_param(key, name, &raw) == 1);
  const Number number(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  ::BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return base64url(bytes);
}

class RsaKey : public SigningKey {
 public:
  explicit RsaKey(Key key)
      : key_(std::move(key)),
        n_(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N)),
        e_(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E)),
        id_(token_digest(n_).substr(0, 16)) {}

  std::string sign(std::string_view claims) const override {
    const std::string header = fmt::format(R"({{"alg":"RS256","typ":"JWT","kid":"{}"}})", id_);
    const std::string text = base64url(header) + '.' + base64url(claims);
    const DigestContext context(::EVP_MD_CTX_new());
    CHECK(context &&
          ::EVP_DigestSignInit(context.get(), nullptr, ::EVP_sha256(), nullptr, key_.get()) == 1);
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    CHECK(::EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
    std::string signature(size, '\0');
    CHECK(::EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                           bytes, text.size()) == 1);
    signature.resize(size);
    return text + '.' + base64url(signature);
  }

  std::string key_set() const override {
    return fmt::format(
        R"({{"keys":[{{"kty":"RSA","use":"sig","alg":"RS256","kid":"{}","n":"{}","e":"{}"}}]}})",
        id_, n_, e_);
  }

 private:
  Key key_;
  std::string n_, e_, id_;
};

}  // namespace

Result<std::unique_ptr<SigningKey>> SigningKey::open(const std::string& path) {
  auto pem = read_file(path, kMaxKeyFile);
  if (!pem && pem.error().code != Code::kNotFound) return std::move(pem).error();
  if (!pem) {
    const Key made(::EVP_RSA_gen(kBits));
    CHECK(made);
    pem = pem_of(made.get());
    TRY(durable_write_file(path, *pem, 0600));
  }
  TRY_ASSIGN(Key key, key_of(*pem), "signing key '{}'", escape_bytes(path));
  return std::unique_ptr<SigningKey>(new RsaKey(std::move(key)));
}

}  // namespace wherry::server
