"use strict";
const { spawnSync } = require("child_process");
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);

// Not the interpreter of an environment, whose packages would be taken for the new environment's own.
const code = 'import platform, sys; print(sys._base_executable, platform.python_version(), sep="\\n")';
const asked = runner.input("python-version");
const named = asked && spawnSync(`python${asked}`, ["-c", code], { encoding: "utf8" });
const ran = named && named.status === 0 ? named : spawnSync("python3", ["-c", code], { encoding: "utf8" });
if (ran.status !== 0) runner.fail("no python3 is installed");
const [executable, version] = ran.stdout.trim().split("\n");
runner.output("python-path", executable);
runner.output("python-version", version);
console.log(`Python ${version} (${asked || "any"} was asked for)`);
