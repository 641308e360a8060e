#!/bin/sh
# check.sh SIZE ORDER: sorts a list of numbers and looks whether it came out sorted.
set -eu
case $1 in small) count=10 ;; large) count=10000 ;; *) echo "no size '$1'" >&2; exit 2 ;; esac
case $2 in forwards) flag= ;; backwards) flag=-r ;; *) echo "no order '$2'" >&2; exit 2 ;; esac

seq "$count" | awk '{ print ($1 * 7919) % 10007 }' | sort -n $flag | sort -n $flag -c
echo "$count numbers, $2: sorted"
