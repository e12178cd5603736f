-- Runs unchanged on SQLite and on PostgreSQL. Dates are ISO 8601 text: the two have no date type in common.

CREATE TABLE patients (
    patient_id    TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    date_of_birth TEXT NOT NULL,
    phone         TEXT,
    email         TEXT
);

CREATE TABLE prescriptions (
    patient_id TEXT NOT NULL REFERENCES patients (patient_id),
    drug       TEXT NOT NULL,
    dose       TEXT NOT NULL,
    frequency  TEXT NOT NULL,
    route      TEXT NOT NULL,
    start_date TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('active', 'stopped')),
    PRIMARY KEY (patient_id, drug, start_date)
);

CREATE TABLE allergies (
    patient_id TEXT NOT NULL REFERENCES patients (patient_id),
    allergen   TEXT NOT NULL,
    reaction   TEXT NOT NULL,
    severity   TEXT NOT NULL,
    PRIMARY KEY (patient_id, allergen)
);

CREATE TABLE lab_results (
    patient_id      TEXT NOT NULL REFERENCES patients (patient_id),
    test            TEXT NOT NULL,
    result          TEXT NOT NULL,
    unit            TEXT,
    reference_range TEXT,
    collected_at    TEXT NOT NULL,
    flag            TEXT,
    PRIMARY KEY (patient_id, test, collected_at)
);
