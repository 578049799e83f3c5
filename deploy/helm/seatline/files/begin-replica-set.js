// Begins the replica set of the trial's MongoDB where there is none; safe to repeat. Run by mongosh when the container starts.
const host = "{{ include "seatline.mongodbHost" . }}";
const attemptsMax = 60; // a second each: mongod listens within seconds, and its name is known a little later
const notYetInitialized = 94, alreadyInitialized = 23;
let failure;
for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
  try {
    const admin = connect("mongodb://127.0.0.1:27017/admin?directConnection=true");
    try {
      admin.adminCommand({ replSetGetStatus: 1 });
      quit(0);
    } catch (error) {
      if (error.code !== notYetInitialized) throw error;
    }
    admin.adminCommand({ replSetInitiate: { _id: "rs0", members: [{ _id: 0, host }] } });
    quit(0);
  } catch (error) {
    if (error.code === alreadyInitialized) quit(0);
    failure = error;
    sleep(1000);
  }
}
print(failure);
quit(1);
