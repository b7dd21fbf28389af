require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/cache.js`).save();
