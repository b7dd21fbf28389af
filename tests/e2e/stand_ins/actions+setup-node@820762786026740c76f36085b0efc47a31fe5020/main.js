"use strict";
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);
runner.output("node-version", process.version);
console.log(`Node ${process.version} (${runner.input("node-version") || "any"} was asked for)`);
