// SPDX-License-Identifier: Apache-2.0
// Ownership of what OpenSSL makes. For .cc files of this module.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/check.h"

namespace wherry::server {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* thing) const {
    kFree(thing);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<&::EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<&::BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Freed<&::BN_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<&::EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Freed<&::X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<&::X509_EXTENSION_free>>;

// What was written to a memory BIO.
inline std::string text_of(BIO* bio) {
  char* text = nullptr;
  const long size = ::BIO_get_mem_data(bio, &text);
  return std::string(text, static_cast<std::size_t>(size));
}

// Reads from `pem`, which outlives it.
inline Bio bio_of(const std::string& pem) {
  Bio bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CHECK(bio);
  return bio;
}

inline std::string pem_of(EVP_PKEY* key) {
  const Bio out(::BIO_new(::BIO_s_secmem()));
  CHECK(out &&
        ::PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(out.get());
}

// Null if the text holds none, or one with a password (which is not asked for at the terminal).
inline Key private_key_of(const std::string& pem) {
  const auto no_password = [](char*, int, int, void*) { return -1; };
  return Key(::PEM_read_bio_PrivateKey(bio_of(pem).get(), nullptr, no_password, nullptr));
}

}  // namespace wherry::server
