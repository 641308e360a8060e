#!/usr/bin/env bash
# One CodePipeline execution through a worker, with the AWS CLI as its user. examples/run.sh worker calls this when what
# it needs is there: SLUICE, CODEPIPELINE (the tests' CodePipeline), WORK, a running AWS emulator.
set -euo pipefail
cd "$(dirname "$0")"
. ../../tests/lib/setup.sh

aws() { "$EMULATOR_VENV/bin/aws" --endpoint-url "$PIPELINES" "$@"; }
tell() { curl -fsS --noproxy '*' -o /dev/null -X POST --data-binary @- "$PIPELINES/_codepipeline/$1"; }
stop_all() {
    [ -z "${WORKER:-}" ] || { kill "$WORKER" && wait "$WORKER"; } 2>/dev/null || true
    [ -z "${SERVICE:-}" ] || kill "$SERVICE" 2>/dev/null || true
}
trap stop_all EXIT

"$CODEPIPELINE" --s3 "$AWS_ENDPOINT_URL" >"$WORK/codepipeline.address" 2>"$WORK/codepipeline.log" </dev/null &
SERVICE=$!
wait_until 30 test -s "$WORK/codepipeline.address" || die "CodePipeline does not start" "$(cat "$WORK/codepipeline.log")"
PIPELINES=$(cat "$WORK/codepipeline.address")

step '2. The action type and the pipeline'
show aws codepipeline create-custom-action-type --cli-input-json file://action-type.json
aws codepipeline create-custom-action-type --cli-input-json file://action-type.json \
    --query 'actionType.id.[owner, category, provider]' --output text
aws s3api create-bucket --bucket pages-artifacts >/dev/null
show aws codepipeline create-pipeline --cli-input-json file://pipeline.json
aws codepipeline create-pipeline --cli-input-json file://pipeline.json --query 'pipeline.name' --output text
python3 - <<'PYTHON' | tell give
import json
files = {name: open(name).read() for name in ("buildspec.yml", "page.html")}
print(json.dumps({"pipeline": "pages", "action": "checkout", "revision": "4f1d2c3b5a6978", "zip": files}))
PYTHON

step '3. A worker'
show sluice worker --pool default --type build --image "$BUSYBOX_IMAGE"
AWS_ENDPOINT_URL=$PIPELINES "$SLUICE" worker --pool default --type build --image "$BUSYBOX_IMAGE" --poll 1 \
    >"$WORK/worker.log" 2>&1 </dev/null &
WORKER=$!

step '4. An execution'
execution=$(aws codepipeline start-pipeline-execution --name pages --query pipelineExecutionId --output text)
status() {
    aws codepipeline get-pipeline-execution --pipeline-name pages --pipeline-execution-id "$execution" \
        --query pipelineExecution.status --output text
}
is_over() { [ "$(status)" != InProgress ]; }
wait_until 120 is_over || die "the execution does not end" "$(tail -n 20 "$WORK/worker.log")"
show aws codepipeline get-pipeline-state --name pages
aws codepipeline get-pipeline-state --name pages --output table \
    --query 'stageStates[].actionStates[].[actionName, latestExecution.status, latestExecution.externalExecutionId]'
show sluice worker status
"$SLUICE" worker status
[ "$(status)" = Succeeded ] || die "the execution ended as $(status)" "$(tail -n 20 "$WORK/worker.log")"

step '5. What it left'
stream=$(aws logs describe-log-streams --log-group-name /aws/codebuild/pages --query 'logStreams[0].logStreamName' --output text)
show aws logs get-log-events --log-group-name /aws/codebuild/pages --log-stream-name "$stream"
aws logs get-log-events --log-group-name /aws/codebuild/pages --log-stream-name "$stream" --start-from-head \
    --query 'events[].message' --output text | tr '\t' '\n'
object=$(AWS_ENDPOINT_URL='' "$EMULATOR_VENV/bin/aws" --endpoint-url "$AWS_ENDPOINT_URL" s3api list-objects-v2 \
    --bucket pages-artifacts --prefix pages/Site --query 'Contents[0].Key' --output text)
"$EMULATOR_VENV/bin/aws" --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --quiet "s3://pages-artifacts/$object" "$WORK/site.zip"
show unzip -p "s3://pages-artifacts/$object" index.html
python3 -c 'import sys, zipfile; sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read("index.html").decode())' "$WORK/site.zip"
printf '\nThe execution went through a worker of pool default.\n'
