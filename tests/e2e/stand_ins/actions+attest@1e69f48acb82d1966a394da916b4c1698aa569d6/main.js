"use strict";
const fs = require("fs");
const path = require("path");
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);

const names = ["subject-path", "subject-digest", "subject-name", "subject-checksums", "sbom-path", "predicate-type",
  "predicate", "predicate-path", "push-to-registry"];
const record = Object.fromEntries(names.map((name) => [name, runner.input(name)]));
const subjects = ["subject-path", "subject-digest", "subject-checksums"].filter((name) => record[name]);
if (subjects.length !== 1) runner.fail("exactly one of subject-path, subject-digest and subject-checksums is needed");
if (record["subject-digest"] && !/^sha256:[0-9a-f]{64}$/.test(record["subject-digest"])) runner.fail("subject-digest is not sha256:<64 hex>");
if (record["subject-digest"] && !record["subject-name"]) runner.fail("subject-digest needs subject-name");
for (const name of ["predicate-path", "sbom-path"]) {
  if (!record[name]) continue;
  record[`${name}-content`] = JSON.parse(fs.readFileSync(record[name], "utf8"));
}
const folder = runner.state("attestations");
fs.mkdirSync(folder, { recursive: true });
const id = fs.readdirSync(folder).length + 1;
const file = path.join(folder, `${String(id).padStart(3, "0")}.json`);
// The identity in the certificate is the workflow file that the job is in, called or not: `job_workflow_ref` of its token.
const signer = runner.needed("LOCKGATE_ACT_JOB_WORKFLOW");
fs.writeFileSync(file, JSON.stringify({ ...record, signer, repository: process.env.GITHUB_REPOSITORY, run: process.env.GITHUB_RUN_ID, commit: process.env.GITHUB_SHA }, null, 1));
runner.output("bundle-path", file);
runner.output("attestation-id", id);
runner.output("attestation-url", `${process.env.GITHUB_SERVER_URL}/${process.env.GITHUB_REPOSITORY}/attestations/${id}`);
console.log(`recorded attestation ${id}`);
