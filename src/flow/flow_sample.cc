// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_file.h"

namespace wherry::flow {

std::string sample_flow() {
  return R"(# A flow: what is moved, run and deleted, each when what it needs is done.
# `wherry flow check FILE` reads it, `wherry flow run FILE` runs it.

name: count-lines           # the file's name, unless it says another one
description: Stages a table in, counts its lines, brings the result home, cleans up.

params:                     # `--param run=43`; one without a default must be given
  run: "42"
  tables: [a.csv, b.csv]    # a list: `--param tables=a.csv --param tables=c.csv`
  scratch:
    default: /tmp/flow
    help: a directory that the commands can read and write

# For all commands, unless a task says otherwise.
directory: "{{ scratch }}"
executor: local             # or one of `executors` in the settings
environment:
  LC_ALL: C

tasks:
  stage:
    transfer:
      source: "lab:/run{{ run }}/{{ item }}"     # ENDPOINT:/path, or a path of this machine
      target: "{{ scratch }}/{{ item }}"
      recursive: false      # true for directories
      sync_level: checksum  # always (the default), exists, size, mtime or checksum
      verify_checksum: true
      preserve_mtime: true
      symlinks: ignore      # keep or copy
    foreach: tables         # once for each, side by side
    timeout: 2h             # of one attempt
    on_timeout: cancel      # or leave: the transfer goes on without the flow
    retries: 2
    retry_delay: 30s

  count:
    needs: stage.each       # the same table; `stage` alone waits for all of them
    command: |
      lines=$(wc -l < {{ item }})
      echo "lines=$lines" >> "$WHERRY_OUTPUTS"
      wc -l {{ item }} > {{ item }}.txt
    outputs: [lines]        # what it writes there
    walltime: 10m
    environment:
      TABLE: "{{ item }}"

  keep:
    needs: count.each
    when: tasks.count.lines > 0
    transfer:
      source: "{{ scratch }}/{{ item }}.txt"
      target: "lab:/run{{ run }}/counts/{{ name(item) }}.txt"
      cleanup: verified     # then deletes the source, once every file is proven at the target

  clean:
    needs: [keep, keep.cleanup]
    delete:
      path: "{{ scratch }}"
      recursive: true
)";
}

}  // namespace wherry::flow
