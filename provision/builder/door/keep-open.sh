#!/bin/sh
# Keeps the way in open, whatever the recipe does to the firewall: starts the socket where it was stopped, and puts a rule for its port in
# front of the others. All rules are called ci-images-builder; sealing removes them from files that a recipe wrote them to.
# `keep-open watch` does so every few seconds, even if an attempt hangs or fails.
port=@PORT@
socket=ci-images-builder-sshd.socket
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C

has() { command -v "$1" >/dev/null; }

# One line a chain that may drop our packets: family, table, chain, hook.
filter_chains() {
  nft list chains 2>/dev/null | awk '
    $1 == "table" { family = $2; table = $3 }
    $1 == "chain" { chain = $2 }
    $1 == "type" && $2 == "filter" && family ~ /^(ip|ip6|inet)$/ && $4 ~ /^(prerouting|input|output|postrouting)$/ {
      print family, table, chain, $4
    }'
}

first_rule() { awk '!/^(table|\t(chain|comment)|\t\t(type|policy|comment)|\t*})/ { print; exit }'; }

open_nft() {
  filter_chains | while read -r family table chain hook; do
    if [ "$table" = firewalld ]; then open_firewalld "$family"; continue; fi
    rules=$(nft list chain "$family" "$table" "$chain")
    case $rules in *drop* | *reject* | *jump* | *goto*) ;; *) continue ;; esac
    case $(echo "$rules" | first_rule) in *ci-images-builder*) continue ;; esac
    side=dport
    case $hook in output | postrouting) side=sport ;; esac
    nft insert rule "$family" "$table" "$chain" tcp "$side" "$port" accept comment '"ci-images-builder"'
  done
}

# Its newer versions let nobody else change their table. Each zone that is in use has a chain for what it lets in.
open_firewalld() {
  nft list table "$1" firewalld | awk -v port="$port" '
    $1 == "chain" { zone = "" }
    $1 == "chain" && $2 ~ /^filter_IN_.*_allow$/ && $2 !~ /^filter_IN_policy_/ {
      zone = substr($2, 11, length($2) - 16)
      closed[zone] = 1
    }
    zone != "" && $0 ~ "tcp dport " port " " { delete closed[zone] }
    END { for (zone in closed) print zone }' |
    while read -r zone; do firewall-cmd --quiet --zone="$zone" --add-port="$port/tcp"; done
}

# Where there is no nft, or the rules are of the older kind that nft does not see.
open_iptables() {
  for tool in iptables ip6tables iptables-legacy ip6tables-legacy; do
    if ! has "$tool"; then continue; fi
    case $tool in ip6*) names=/proc/net/ip6_tables_names ;; *) names=/proc/net/ip_tables_names ;; esac
    case $("$tool" -V) in
      *nf_tables*) if has nft; then continue; fi ;;
      *) if ! grep -qsx filter "$names"; then continue; fi ;;
    esac
    open_chain "$tool" INPUT --dport
    open_chain "$tool" OUTPUT --sport
  done
}

open_chain() {
  rules=$("$1" -w -S "$2" 2>/dev/null) || return 0
  case $rules in "-P $2 ACCEPT") return ;; esac
  case $(echo "$rules" | grep '^-A' | head -n 1) in *ci-images-builder*) return ;; esac
  "$1" -w -I "$2" 1 -p tcp "$3" "$port" -m comment --comment ci-images-builder -j ACCEPT
}

keep_open() {
  # While the machine goes down it is closed on purpose.
  if [ -e /run/ci-images/rebooting ]; then return; fi
  if ! systemctl --quiet is-active "$socket"; then systemctl start "$socket"; fi
  if has nft; then open_nft; fi
  open_iptables
}

case ${1-} in
  watch)
    while true; do
      # A firewall that is being stopped may never answer.
      timeout 60 sh "$0" attempt
      sleep 5
    done
    ;;
  attempt) keep_open ;;
  *)
    set -e
    keep_open
    ;;
esac
