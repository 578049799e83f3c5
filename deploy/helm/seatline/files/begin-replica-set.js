// Initiates the replica set of the trial's MongoDB if there is none; safe to repeat. mongosh runs it when the container starts.
const host = "{{ include "seatline.mongodbHost" . }}";
const attemptsMax = 60; // one per second: mongod listens within seconds, and its host name resolves a little later
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
