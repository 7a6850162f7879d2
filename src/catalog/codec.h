// SPDX-License-Identifier: Apache-2.0
// zstd, and the only place that knows it. Contexts are kept between calls: making one costs more
// than a small block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/format.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace wherry::catalog {

// For one thread at a time.
class Compressor {
 public:
  // Level 0 stores everything as it is.
  explicit Compressor(int level);
  ~Compressor();

  struct Packed {
    Codec codec;
    std::string_view bytes;  // valid until the next call, or as long as `raw`
  };
  // Compressed, or `raw` itself where that does not make it smaller.
  Packed pack(std::string_view raw);

 private:
  int level_;
  ZSTD_CCtx_s* context_;
  std::string buffer_;
};

// For one thread at a time.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();

  // The `raw_size` bytes that `stored` stands for, valid until the next call; nothing if it does
  // not stand for exactly so many. The caller bounds `raw_size`.
  std::optional<std::string_view> unpack(Codec codec, std::string_view stored,
                                         std::size_t raw_size);

 private:
  ZSTD_DCtx_s* context_;
  std::string buffer_;
};

}  // namespace wherry::catalog
