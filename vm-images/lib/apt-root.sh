# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A private apt: other suites than the system's, nothing installed, no root needed. Sourced.

# apt_root DIR SUITE...: create it and fetch its package lists; from then on apt-get and apt-cache use it.
apt_root() {
	local dir=$1
	shift
	need apt-get apt
	need python3 python3
	mkdir -p "$dir"/{etc,state/lists/partial,cache/archives/partial,log}
	: >"$dir/status"
	"$VM_IMAGES/lib/apt-sources" "$@" >"$dir/etc/private.sources" || exit 2
	# apt.conf.d stays the system's, for its proxy and certificate settings; only the hooks in it (which clean the
	# system's cache, talk to desktop daemons) are taken out. Dir::Etc::main is read last, so that is the place.
	{
		[[ ! -f /etc/apt/apt.conf ]] || echo '#include "/etc/apt/apt.conf";'
		printf '#clear %s;\n' APT::Update::Pre-Invoke APT::Update::Post-Invoke APT::Update::Post-Invoke-Success \
			Acquire::IndexTargets::deb::DEP-11 Acquire::IndexTargets::deb::Contents-deb
	} >"$dir/etc/main.conf"
	cat >"$dir/apt.conf" <<-CONF
		Dir::State "$dir/state";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Log "$dir/log";
		Dir::Etc::main "$dir/etc/main.conf";
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$dir/etc/sources.list.d";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		APT::Architecture "amd64";
		APT::Architectures { "amd64"; };
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	CONF
	mkdir -p "$dir/etc/sources.list.d"
	mv "$dir/etc/private.sources" "$dir/etc/sources.list.d/"
	export APT_CONFIG=$dir/apt.conf
	# Without --error-on=any a failed download of the lists is only a warning.
	apt-get -qq --error-on=any update >"$dir/log/update" 2>&1 ||
		die "no package lists for '$*': $(apt_reason "$dir/log/update"); check the network, then: apt-get update"
}

# apt_version PACKAGE: the newest there is; nothing when there is none.
apt_version() {
	apt-cache --no-all-versions show "$1" 2>/dev/null | sed -n 's/^Version: //p;/^Version/q' || true
}

# apt_download ROOT DIR HINT PACKAGE=VERSION...: into DIR; HINT is said when that fails.
apt_download() {
	local log=$1/log/download dir=$2 hint=$3
	shift 3
	(cd "$dir" && apt-get -qq download "$@" >"$log" 2>&1) || die "cannot download: $(apt_reason "$log") $hint"
}

# The one line of apt's output that says what went wrong.
apt_reason() {
	grep -m1 '^E:' "$1" | sed 's/^E: *//' || echo "apt-get failed without a reason"
}
