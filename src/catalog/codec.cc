// SPDX-License-Identifier: Apache-2.0
#include "catalog/codec.h"

#include <zstd.h>

#include "base/check.h"

namespace wherry::catalog {

Compressor::Compressor(int level) : level_(level), context_(ZSTD_createCCtx()) {
  CHECK(context_ != nullptr);
}

Compressor::~Compressor() { ZSTD_freeCCtx(context_); }

Compressor::Packed Compressor::pack(std::string_view raw) {
  if (level_ == 0) return {Codec::kStored, raw};
  const std::size_t bound = ZSTD_compressBound(raw.size());
  if (buffer_.size() < bound) buffer_.resize(bound);
  const std::size_t size =
      ZSTD_compressCCtx(context_, buffer_.data(), buffer_.size(), raw.data(), raw.size(), level_);
  CHECK(!ZSTD_isError(size));  // the buffer is large enough, so only a bug is left
  if (size >= raw.size()) return {Codec::kStored, raw};
  return {Codec::kZstd, std::string_view(buffer_.data(), size)};
}

Decompressor::Decompressor() : context_(ZSTD_createDCtx()) { CHECK(context_ != nullptr); }

Decompressor::~Decompressor() { ZSTD_freeDCtx(context_); }

std::optional<std::string_view> Decompressor::unpack(Codec codec, std::string_view stored,
                                                     std::size_t raw_size) {
  if (codec == Codec::kStored) {
    if (stored.size() != raw_size) return std::nullopt;
    return stored;
  }
  if (codec != Codec::kZstd) return std::nullopt;
  if (buffer_.size() < raw_size) buffer_.resize(raw_size);
  const std::size_t size =
      ZSTD_decompressDCtx(context_, buffer_.data(), raw_size, stored.data(), stored.size());
  if (ZSTD_isError(size) || size != raw_size) return std::nullopt;
  return std::string_view(buffer_.data(), raw_size);
}

}  // namespace wherry::catalog
