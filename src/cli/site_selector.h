// SPDX-License-Identifier: Apache-2.0
// Which site a command is about: a number, a name or a part of the path, or, where none is named,
// the site in whose directory one stands.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "jobs/types.h"

namespace wherry::cli {

// `selector` may be empty: the enclosing site, or kInvalid with what to type. kNotFound and
// kConflict are those of jobs::Sites::resolve().
Result<jobs::Site> find_site(Context& context, const std::string& selector);
// The argument that is such a selector, and one that must be given.
PositionalSpec site_positional();
PositionalSpec named_site_positional();

// Of --site: a single one.
Result<jobs::Site> site_option(Context& context, const Arguments& arguments);
OptionSpec site_option_spec();

// Of --site in lists, which may be given several times, with commas between sites: "all", "this"
// (the enclosing one), "active" (run by a process now), or selectors. Without it: the enclosing
// site, or all where there is none. An empty answer means all.
Result<std::vector<jobs::SiteId>> sites_option(Context& context, const Arguments& arguments);
OptionSpec sites_option_spec();

// Whom `wherry site start` on a site has to wait for, and `site stop` ends.
Result<std::optional<tasks::Holder>> holder_of(app::Wherry& wherry, jobs::SiteId site);

}  // namespace wherry::cli
