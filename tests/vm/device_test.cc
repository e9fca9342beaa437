// SPDX-License-Identifier: GPL-2.0-only
//
// The door: who gets in, and what is turned away.
#include "device.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/ioctl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "puppet.hpp"

namespace guest {
namespace {

// Every request, with the place of its flags and of its reserved word (0: it has none).
struct Request {
  const char* name;
  unsigned long number;
  size_t flags;
  size_t reserved;
};

const Request kRequests[] = {
    {"VERSION", SVMA_IOC_VERSION, 0, offsetof(svma_version, reserved)},
    {"TRACK", SVMA_IOC_TRACK, offsetof(svma_track, flags), offsetof(svma_track, reserved)},
    {"UNTRACK", SVMA_IOC_UNTRACK, offsetof(svma_untrack, flags), offsetof(svma_untrack, reserved)},
    {"LIST", SVMA_IOC_LIST, offsetof(svma_list, flags), 0},
    {"MM", SVMA_IOC_MM, 0, 0},
    {"SNAPSHOT", SVMA_IOC_SNAPSHOT, offsetof(svma_snapshot, flags), 0},
    {"FIND", SVMA_IOC_FIND, offsetof(svma_find, flags), offsetof(svma_find, reserved)},
    {"GAP", SVMA_IOC_GAP, offsetof(svma_gap, flags), offsetof(svma_gap, reserved)},
    {"STATS", SVMA_IOC_STATS, offsetof(svma_stats, flags), 0},
    {"PROBES", SVMA_IOC_PROBES, offsetof(svma_probes, flags), 0},
    {"DIVERGENCES", SVMA_IOC_DIVERGENCES, offsetof(svma_divergences, flags), 0},
    {"JOURNAL", SVMA_IOC_JOURNAL, offsetof(svma_journal, flags), 0},
    {"REPORT", SVMA_IOC_REPORT, offsetof(svma_report, flags), offsetof(svma_report, reserved)},
};

// An argument of any request, right but for what the test puts in.
struct Raw {
  alignas(8) unsigned char bytes[4096] = {};

  explicit Raw(const Request& request) {
    Put(0, _IOC_SIZE(request.number));
    if (request.number == SVMA_IOC_VERSION) Put(offsetof(svma_version, abi), SVMA_ABI_VERSION);
  }
  void Put(size_t at, uint32_t value) { memcpy(bytes + at, &value, sizeof(value)); }
};

// RETURNS: what `function` returned in a child, -1 when that did not end by itself.
int InChild(const std::function<int()>& function) {
  pid_t pid = fork();
  if (pid == 0) _exit(function());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// RETURNS: errno of opening the device; 0 when it opens.
int TryOpen() { return open(SVMA_DEVICE, O_RDWR) < 0 ? errno : 0; }

// Likewise as nobody.
int OpenAsNobody() {
  return InChild([] { return setgid(65534) || setuid(65534) ? 255 : TryOpen(); });
}

TEST(Device, Version_RightAbi_AnswersModuleAndKernel) {
  Device device(false);
  auto version = Argument<svma_version>();
  version.abi = SVMA_ABI_VERSION;
  ASSERT_EQ(device.Ask(SVMA_IOC_VERSION, &version), 0);
  EXPECT_EQ(version.abi, SVMA_ABI_VERSION);
  EXPECT_EQ(version.features & ~SVMA_FEATURE_HOLES, 0u);
  EXPECT_GT(strnlen(version.module, sizeof(version.module)), 0u);
  EXPECT_LT(strnlen(version.kernel, sizeof(version.kernel)), sizeof(version.kernel));
}

TEST(Device, Version_WrongAbi_EprotoAndOwnAbiAnswered) {
  Device device(false);
  for (uint32_t abi : {0u, SVMA_ABI_VERSION + 1, ~0u}) {
    auto version = Argument<svma_version>();
    version.abi = abi;
    EXPECT_EQ(device.Ask(SVMA_IOC_VERSION, &version), EPROTO);
    EXPECT_EQ(version.abi, SVMA_ABI_VERSION);
  }
}

TEST(Device, AnyRequest_BeforeVersion_Eproto) {
  Device device(false);
  for (const Request& request : kRequests) {
    if (request.number == SVMA_IOC_VERSION) continue;
    Raw raw(request);
    EXPECT_EQ(device.Ask(request.number, raw.bytes), EPROTO) << request.name;
  }
}

TEST(Device, AnyRequest_AfterFailedVersion_Eproto) {
  Device device;
  auto version = Argument<svma_version>();
  version.abi = SVMA_ABI_VERSION + 1;
  EXPECT_EQ(device.Ask(SVMA_IOC_VERSION, &version), EPROTO);
  auto stats = Argument<svma_stats>();
  EXPECT_EQ(device.Ask(SVMA_IOC_STATS, &stats), EPROTO);
}

TEST(Device, AnyRequest_WrongSize_Einval) {
  Device device;
  for (const Request& request : kRequests) {
    uint32_t right = _IOC_SIZE(request.number);
    for (uint32_t size : {0u, right - 1, right + 8, ~0u}) {
      Raw raw(request);
      raw.Put(0, size);
      EXPECT_EQ(device.Ask(request.number, raw.bytes), EINVAL) << request.name << " size " << size;
    }
  }
}

TEST(Device, AnyRequest_UnknownFlag_Einval) {
  Device device;
  for (const Request& request : kRequests) {
    if (!request.flags) continue;
    Raw raw(request);
    raw.Put(request.flags, 0x80000000u);
    EXPECT_EQ(device.Ask(request.number, raw.bytes), EINVAL) << request.name;
  }
}

TEST(Device, AnyRequest_ReservedNotZero_Einval) {
  Device device;
  for (const Request& request : kRequests) {
    if (!request.reserved) continue;
    Raw raw(request);
    raw.Put(request.reserved, 1);
    EXPECT_EQ(device.Ask(request.number, raw.bytes), EINVAL) << request.name;
  }
}

TEST(Device, UnknownRequest_Asked_Enotty) {
  Device device;
  unsigned char bytes[4096] = {};
  EXPECT_EQ(device.Ask(_IOWR(SVMA_IOC_MAGIC, 11, struct svma_stats), bytes), ENOTTY);
  EXPECT_EQ(device.Ask(_IOWR(SVMA_IOC_MAGIC, 255, struct svma_stats), bytes), ENOTTY);
  EXPECT_EQ(device.Ask(_IOWR(SVMA_IOC_MAGIC, 8, int), bytes), ENOTTY);
  EXPECT_EQ(device.Ask(_IOR(SVMA_IOC_MAGIC, 8, struct svma_stats), bytes), ENOTTY);
  EXPECT_EQ(device.Ask(_IOWR('T', 8, struct svma_stats), bytes), ENOTTY);
  EXPECT_EQ(device.Ask(0, bytes), ENOTTY);
}

TEST(Device, AnyRequest_BadPointer_Efault) {
  Device device;
  for (const Request& request : kRequests) {
    EXPECT_EQ(device.Ask(request.number, nullptr), EFAULT) << request.name;
    EXPECT_EQ(device.Ask(request.number, reinterpret_cast<void*>(~0xfffull)), EFAULT)
        << request.name;
  }
}

TEST(Device, AnyBuffer_BadPointer_Efault) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  auto list = Argument<svma_list>();
  list.capacity = 4;
  list.buffer = 8;
  EXPECT_EQ(device.Ask(SVMA_IOC_LIST, &list), EFAULT);
  auto snapshot = Argument<svma_snapshot>();
  snapshot.mm_id = id;
  snapshot.capacity = 4;
  snapshot.buffer = 8;
  EXPECT_EQ(device.Ask(SVMA_IOC_SNAPSHOT, &snapshot), EFAULT);
  auto probes = Argument<svma_probes>();
  probes.capacity = 4;
  probes.buffer = 8;
  EXPECT_EQ(device.Ask(SVMA_IOC_PROBES, &probes), EFAULT);
}

TEST(Device, Lists_CapacityZero_CountOnly) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  auto list = Argument<svma_list>();
  EXPECT_EQ(device.Ask(SVMA_IOC_LIST, &list), 0);
  EXPECT_EQ(list.count, 1u);
  auto probes = Argument<svma_probes>();
  EXPECT_EQ(device.Ask(SVMA_IOC_PROBES, &probes), 0);
  EXPECT_GT(probes.count, 10u);
  auto snapshot = Argument<svma_snapshot>();
  snapshot.mm_id = id;
  EXPECT_EQ(device.Ask(SVMA_IOC_SNAPSHOT, &snapshot), 0);
  EXPECT_EQ(snapshot.count, 0u);
  EXPECT_EQ(snapshot.more, 1u);
  EXPECT_GT(snapshot.totals.map_count, 5u);
}

TEST(Device, Open_Unprivileged_Refused) {
  struct stat status;
  ASSERT_EQ(stat(SVMA_DEVICE, &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(OpenAsNobody(), EACCES);
  ASSERT_EQ(chmod(SVMA_DEVICE, 0666), 0);
  EXPECT_EQ(OpenAsNobody(), EPERM);
  ASSERT_EQ(chmod(SVMA_DEVICE, 0600), 0);
}

TEST(Device, Open_RootOfAUserNamespace_Refused) {
  EXPECT_EQ(InChild([] {
              if (unshare(CLONE_NEWUSER) || WriteFile("/proc/self/uid_map", "0 0 1")) return 255;
              return geteuid() == 0 ? TryOpen() : 254;
            }),
            EPERM);
}

// Numbers mean what they mean to the caller, also on a descriptor from outside.
TEST(Device, Track_FromAnotherPidNamespace_NobodyOutsideIsFound) {
  Puppet puppet;
  Device device;
  ASSERT_EQ(device.Track(puppet.pid(), 0), 0);
  EXPECT_EQ(InChild([&] {
              if (unshare(CLONE_NEWPID)) return 255;
              return InChild([&] {
                if (getpid() != 1) return 254;
                const std::vector<svma_mm> seen = device.List();
                if (seen.size() != 1 || seen[0].pid != 0) return 253;
                if (device.Untrack(puppet.pid()) == 0) return 252;
                svma_mm mm;
                if (device.Mm(puppet.pid(), 0, &mm) == 0) return 251;
                return device.Track(puppet.pid(), 0);
              });
            }),
            ESRCH);
  EXPECT_EQ(device.List().size(), 1u);
}

TEST(Device, Queries_NotTracked_Enoent) {
  Device device;
  svma_mm mm;
  EXPECT_EQ(device.Mm(getpid(), 0, &mm), ENOENT);
  EXPECT_EQ(device.Mm(0, 1ull << 60, &mm), ENOENT);
  auto snapshot = Argument<svma_snapshot>();
  snapshot.pid = getpid();
  EXPECT_EQ(device.Ask(SVMA_IOC_SNAPSHOT, &snapshot), ENOENT);
  auto find = Argument<svma_find>();
  find.pid = getpid();
  EXPECT_EQ(device.Ask(SVMA_IOC_FIND, &find), ENOENT);
  auto gap = Argument<svma_gap>();
  gap.pid = getpid();
  gap.length = 4096;
  gap.high_limit = 1ull << 40;
  EXPECT_EQ(device.Ask(SVMA_IOC_GAP, &gap), ENOENT);
}

}  // namespace
}  // namespace guest
