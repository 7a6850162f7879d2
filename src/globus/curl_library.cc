// SPDX-License-Identifier: Apache-2.0
#include "globus/curl_library.h"

#include <dlfcn.h>

namespace wherry::globus {
namespace {

constexpr const char* kFile = "libcurl.so.4";

Error cannot_load() {
  const char* const why = ::dlerror();
  return make_error(
      Code::kUnsupported,
      "services elsewhere are asked with libcurl, which cannot be loaded ({}); install"
      " it: apt-get install libcurl4",
      why != nullptr ? why : kFile);
}

template <class Function>
bool find(void* file, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(file, name));
  return function != nullptr;
}

Result<CurlLibrary> load() {
  void* const file = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);  // never closed: the process uses it
  if (file == nullptr) return cannot_load();
  CurlLibrary curl = {};
  const bool is_whole = find(file, "curl_global_init", curl.global_init) &&
                        find(file, "curl_easy_init", curl.easy_init) &&
                        find(file, "curl_easy_reset", curl.easy_reset) &&
                        find(file, "curl_easy_setopt", curl.easy_setopt) &&
                        find(file, "curl_easy_getinfo", curl.easy_getinfo) &&
                        find(file, "curl_easy_strerror", curl.easy_strerror) &&
                        find(file, "curl_easy_cleanup", curl.easy_cleanup) &&
                        find(file, "curl_multi_init", curl.multi_init) &&
                        find(file, "curl_multi_setopt", curl.multi_setopt) &&
                        find(file, "curl_multi_add_handle", curl.multi_add_handle) &&
                        find(file, "curl_multi_perform", curl.multi_perform) &&
                        find(file, "curl_multi_poll", curl.multi_poll) &&
                        find(file, "curl_multi_wakeup", curl.multi_wakeup) &&
                        find(file, "curl_multi_info_read", curl.multi_info_read) &&
                        find(file, "curl_multi_remove_handle", curl.multi_remove_handle) &&
                        find(file, "curl_multi_cleanup", curl.multi_cleanup) &&
                        find(file, "curl_slist_append", curl.slist_append) &&
                        find(file, "curl_slist_free_all", curl.slist_free_all);
  if (!is_whole) return cannot_load();
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return make_error(Code::kUnsupported, "libcurl cannot be initialised");
  return curl;
}

}  // namespace

Result<const CurlLibrary*> curl_library() {
  static const Result<CurlLibrary> library = load();
  if (!library) return library.error();
  return &*library;
}

}  // namespace wherry::globus
