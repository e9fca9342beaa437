# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A Debian of one's own by mmdebstrap, from the mirrors this system uses. Sourced.

# package_list FILE: the packages a file of config/ names, each after a space.
package_list() {
	sed 's/#.*//' "$1" | xargs
}

# bootstrap SUITE TARGET TMP LOG OPTION...: with the release's updates; TMP is a scratch directory, LOG is where the
# log of a failure stays.
bootstrap() {
	local suite=$1 target=$2 tmp=$3 log=$4
	shift 4
	need mmdebstrap mmdebstrap
	"$VM_IMAGES/lib/apt-sources" "$suite" "$suite-updates" "$suite-security" >"$tmp/mirror.sources" || exit 2
	# Proxies and certificates: mmdebstrap does not take them from the host by itself.
	apt-config dump | grep -E '^Acquire::(https?|ftp|Retries|Check-Valid-Until|ForceIPv)' >"$tmp/apt.conf" || true
	mmdebstrap --architectures=amd64 --aptopt="$tmp/apt.conf" --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt=force-unsafe-io "$@" "$suite" "$target" "$tmp/mirror.sources" >"$tmp/log" 2>&1 || {
		cp "$tmp/log" "$log"
		die "mmdebstrap failed: $(grep -m1 '^E: ' "$tmp/log" || tail -n1 "$tmp/log") (log: $log)"
	}
}
