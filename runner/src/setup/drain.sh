#!/bin/sh
# Waits until the Auto Scaling group takes this machine away, or EC2 announces the end of a spot instance; then stops
# the worker, which drains, and tells the group when that is done. Needs AWS_REGION and SLUICE_GROUP.
set -u

service=http://169.254.169.254/latest

# look PATH: a piece of the instance's metadata. Fails where there is none.
look() {
    token=$(curl -fsS -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$service/api/token" 2>/dev/null) || return 1
    curl -fsS -m 5 -H "X-aws-ec2-metadata-token: $token" "$service/meta-data/$1" 2>/dev/null
}

# tell CALL [OPTION…]: a call of the lifecycle hook. A group that does not wait for this machine refuses it: no harm.
tell() {
    call=$1
    shift
    aws autoscaling "$call" --auto-scaling-group-name "$SLUICE_GROUP" --lifecycle-hook-name drain \
        --instance-id "$instance" "$@" || true
}

until [ "$(look autoscaling/target-lifecycle-state)" = Terminated ] || look spot/instance-action >/dev/null; do
    sleep 5
done
instance=$(look instance-id)

# Each heartbeat gives the worker another span of the hook's time.
(while sleep 300; do tell record-lifecycle-action-heartbeat; done) &
beating=$!
systemctl stop sluice.service
kill "$beating"
tell complete-lifecycle-action --lifecycle-action-result CONTINUE
