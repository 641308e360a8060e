#!/bin/bash
# Makes a machine of Amazon Linux 2023 a worker. Runs once, at its first start.
set -euo pipefail

dnf install -y -q docker
systemctl enable --now docker
id sluice >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /var/lib/sluice --groups docker sluice

aws s3 cp --only-show-errors '${BinaryLocation}' /tmp/sluice --region '${AWS::Region}'
echo '${BinarySha256}  /tmp/sluice' | sha256sum --check --quiet
install -m 755 /tmp/sluice /usr/local/bin/sluice
rm /tmp/sluice

install -d -m 755 /etc/sluice /usr/local/libexec
cat >/etc/sluice/worker.env <<'END'
@ENVIRONMENT@END
cat >/usr/local/libexec/sluice-drain <<'END'
@DRAIN@END
chmod 755 /usr/local/libexec/sluice-drain
cat >/etc/systemd/system/sluice.service <<'END'
@UNIT@END
cat >/etc/systemd/system/sluice-drain.service <<'END'
@DRAIN_UNIT@END
systemctl daemon-reload
systemctl enable --now sluice sluice-drain
