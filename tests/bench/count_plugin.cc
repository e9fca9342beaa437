// SPDX-License-Identifier: GPL-2.0-only
//
// A QEMU plugin that counts the instructions a guest executes, by address of the translation block.
// A program in the guest marks what it wants counted (mark_begin() and mark_end() in
// harness/workload/cost.cc). Argument: out=FILE, which gets one section for each pair of marks:
//
//   section NUMBER
//   user INSTRUCTIONS           user space, all addresses
//   ffffffff81000000 COUNT      kernel: start of a block, instructions executed in it
//
// Blocks are counted as they are entered; one that a fault leaves early counts as whole. One
// virtual CPU only: neither the counters nor the map are locked.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <unordered_map>

// What is used of QEMU's plugin interface, version 1. Debian has no package with its header.
extern "C" {
struct qemu_plugin_tb;
struct qemu_plugin_insn;
using qemu_plugin_id_t = uint64_t;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                           void (*)(qemu_plugin_id_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_inline(qemu_plugin_tb*, qemu_plugin_op, void*, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_insn*, void (*)(unsigned, void*),
                                            qemu_plugin_cb_flags, void*);
size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
qemu_plugin_insn* qemu_plugin_tb_get_insn(const qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const qemu_plugin_insn*);
size_t qemu_plugin_insn_size(const qemu_plugin_insn*);

[[gnu::visibility("default")]] int qemu_plugin_version = 1;
}

namespace {

constexpr unsigned char kBegin[] = {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x4d, 0x56, 0x53};
constexpr unsigned char kEnd[] = {0x0f, 0x1f, 0x84, 0x00, 0x01, 0x4d, 0x56, 0x53};

std::FILE* out;
unsigned sections;
uint64_t user;
// Nodes stay where they are, whatever is inserted; translated code has their addresses in it.
std::unordered_map<uint64_t, uint64_t> kernel;

bool in_kernel(uint64_t address) { return address >> 63; }

void begin(unsigned, void*) {
  user = 0;
  for (auto& [address, count] : kernel) count = 0;
}

void end(unsigned, void*) {
  std::fprintf(out, "section %u\nuser %" PRIu64 "\n", sections++, user);
  for (const auto& [address, count] : kernel)
    if (count) std::fprintf(out, "%" PRIx64 " %" PRIu64 "\n", address, count);
  std::fflush(out);  // QEMU is killed at the end
}

void translate(qemu_plugin_id_t, qemu_plugin_tb* block) {
  const uint64_t start = qemu_plugin_tb_vaddr(block);
  const size_t length = qemu_plugin_tb_n_insns(block);
  uint64_t* counter = in_kernel(start) ? &kernel[start] : &user;
  qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, counter, length);
  if (in_kernel(start)) return;
  for (size_t i = 0; i < length; ++i) {
    qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(block, i);
    if (qemu_plugin_insn_size(insn) != sizeof(kBegin)) continue;
    const void* bytes = qemu_plugin_insn_data(insn);
    if (!std::memcmp(bytes, kBegin, sizeof(kBegin)))
      qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, QEMU_PLUGIN_CB_NO_REGS, nullptr);
    else if (!std::memcmp(bytes, kEnd, sizeof(kEnd)))
      qemu_plugin_register_vcpu_insn_exec_cb(insn, end, QEMU_PLUGIN_CB_NO_REGS, nullptr);
  }
}

}  // namespace

extern "C" [[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t id, const void*,
                                                                  int argc, char** argv) {
  for (int i = 0; i < argc; ++i)
    if (!std::strncmp(argv[i], "out=", 4)) out = std::fopen(argv[i] + 4, "we");
  if (!out) {
    std::fprintf(stderr, "count_plugin: needs out=FILE, which can be written\n");
    return 1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  return 0;
}
