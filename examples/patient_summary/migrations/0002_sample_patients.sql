-- Invented patients, some of them awkward on purpose.

INSERT INTO patients (patient_id, name, date_of_birth, phone, email) VALUES
    ('P-00123', 'Jana Dvořák', '1968-11-02', '+420 555 010 123', 'jana.dvorak@example.org'),
    -- Nothing documented beyond the name.
    ('P-00124', 'Amadou Bah', '1990-04-17', NULL, NULL),
    -- Forty lab results.
    ('P-00125', 'Ingrid Solheim', '1957-06-30', '+47 555 01 125', NULL),
    -- A name with quotes of both kinds.
    ('P-00126', 'Siobhán "Shiv" O''Neill', '1983-12-24', NULL, 'shiv@example.org');

INSERT INTO prescriptions (patient_id, drug, dose, frequency, route, start_date, status) VALUES
    ('P-00123', 'Ramipril', '5 mg', 'once a day', 'oral', '2024-03-11', 'active'),
    ('P-00123', 'Metformin', '850 mg', 'twice a day', 'oral', '2023-09-04', 'active'),
    ('P-00123', 'Prednisolone', '20 mg', 'once a day', 'oral', '2024-01-15', 'stopped'),
    ('P-00125', 'Insulin glargine', '18 units', 'every evening', 'subcutaneous', '2022-05-19', 'active'),
    ('P-00126', 'Salbutamol', '100 µg', 'when needed', 'inhaled', '2021-02-01', 'active');

INSERT INTO allergies (patient_id, allergen, reaction, severity) VALUES
    ('P-00123', 'Amoxicillin', 'rash', 'moderate'),
    ('P-00123', 'Iodinated contrast', 'hives', 'severe'),
    ('P-00126', 'Aspirin', 'bronchospasm ("couldn''t breathe")', 'severe');

INSERT INTO lab_results (patient_id, test, result, unit, reference_range, collected_at, flag) VALUES
    ('P-00123', 'HbA1c', '7.4', '%', '4.0-6.0', '2025-10-20', 'high'),
    ('P-00123', 'Creatinine', '88', 'µmol/L', '45-84', '2025-10-20', 'high'),
    ('P-00123', 'Potassium', '4.4', 'mmol/L', '3.5-5.1', '2025-10-20', NULL),
    ('P-00123', 'Urine albumin', 'trace', NULL, 'negative', '2025-10-20', 'abnormal'),
    ('P-00123', 'LDL cholesterol', '2.9', 'mmol/L', '0.0-3.0', '2025-07-14', NULL),
    ('P-00123', 'HbA1c', '7.9', '%', '4.0-6.0', '2025-04-08', 'high'),
    ('P-00126', 'Eosinophils', '0.9', '10^9/L', '0.0-0.5', '2025-08-02', 'high'),
    ('P-00125', 'Fasting glucose', '6.1', 'mmol/L', '3.9-7.8', '2025-01-07', NULL),
    ('P-00125', 'Fasting glucose', '6.4', 'mmol/L', '3.9-7.8', '2025-01-16', NULL),
    ('P-00125', 'Fasting glucose', '7.2', 'mmol/L', '3.9-7.8', '2025-01-25', NULL),
    ('P-00125', 'Fasting glucose', '7.9', 'mmol/L', '3.9-7.8', '2025-02-03', 'high'),
    ('P-00125', 'Fasting glucose', '8.3', 'mmol/L', '3.9-7.8', '2025-02-12', 'high'),
    ('P-00125', 'Fasting glucose', '7.0', 'mmol/L', '3.9-7.8', '2025-02-21', NULL),
    ('P-00125', 'Fasting glucose', '6.6', 'mmol/L', '3.9-7.8', '2025-03-02', NULL),
    ('P-00125', 'Fasting glucose', '6.2', 'mmol/L', '3.9-7.8', '2025-03-11', NULL),
    ('P-00125', 'Fasting glucose', '5.9', 'mmol/L', '3.9-7.8', '2025-03-20', NULL),
    ('P-00125', 'Fasting glucose', '6.8', 'mmol/L', '3.9-7.8', '2025-03-29', NULL),
    ('P-00125', 'Fasting glucose', '6.2', 'mmol/L', '3.9-7.8', '2025-04-07', NULL),
    ('P-00125', 'Fasting glucose', '6.5', 'mmol/L', '3.9-7.8', '2025-04-16', NULL),
    ('P-00125', 'Fasting glucose', '7.3', 'mmol/L', '3.9-7.8', '2025-04-25', NULL),
    ('P-00125', 'Fasting glucose', '8.0', 'mmol/L', '3.9-7.8', '2025-05-04', 'high'),
    ('P-00125', 'Fasting glucose', '8.4', 'mmol/L', '3.9-7.8', '2025-05-13', 'high'),
    ('P-00125', 'Fasting glucose', '7.1', 'mmol/L', '3.9-7.8', '2025-05-22', NULL),
    ('P-00125', 'Fasting glucose', '6.7', 'mmol/L', '3.9-7.8', '2025-05-31', NULL),
    ('P-00125', 'Fasting glucose', '6.3', 'mmol/L', '3.9-7.8', '2025-06-09', NULL),
    ('P-00125', 'Fasting glucose', '6.0', 'mmol/L', '3.9-7.8', '2025-06-18', NULL),
    ('P-00125', 'Fasting glucose', '6.9', 'mmol/L', '3.9-7.8', '2025-06-27', NULL),
    ('P-00125', 'Fasting glucose', '6.3', 'mmol/L', '3.9-7.8', '2025-07-06', NULL),
    ('P-00125', 'Fasting glucose', '6.6', 'mmol/L', '3.9-7.8', '2025-07-15', NULL),
    ('P-00125', 'Fasting glucose', '7.4', 'mmol/L', '3.9-7.8', '2025-07-24', NULL),
    ('P-00125', 'Fasting glucose', '8.1', 'mmol/L', '3.9-7.8', '2025-08-02', 'high'),
    ('P-00125', 'Fasting glucose', '8.5', 'mmol/L', '3.9-7.8', '2025-08-11', 'high'),
    ('P-00125', 'Fasting glucose', '7.2', 'mmol/L', '3.9-7.8', '2025-08-20', NULL),
    ('P-00125', 'Fasting glucose', '6.8', 'mmol/L', '3.9-7.8', '2025-08-29', NULL),
    ('P-00125', 'Fasting glucose', '6.4', 'mmol/L', '3.9-7.8', '2025-09-07', NULL),
    ('P-00125', 'Fasting glucose', '6.1', 'mmol/L', '3.9-7.8', '2025-09-16', NULL),
    ('P-00125', 'Fasting glucose', '7.0', 'mmol/L', '3.9-7.8', '2025-09-25', NULL),
    ('P-00125', 'Fasting glucose', '6.4', 'mmol/L', '3.9-7.8', '2025-10-04', NULL),
    ('P-00125', 'Fasting glucose', '6.7', 'mmol/L', '3.9-7.8', '2025-10-13', NULL),
    ('P-00125', 'Fasting glucose', '7.5', 'mmol/L', '3.9-7.8', '2025-10-22', NULL),
    ('P-00125', 'Fasting glucose', '8.2', 'mmol/L', '3.9-7.8', '2025-10-31', 'high'),
    ('P-00125', 'Fasting glucose', '8.6', 'mmol/L', '3.9-7.8', '2025-11-09', 'high'),
    ('P-00125', 'Fasting glucose', '7.3', 'mmol/L', '3.9-7.8', '2025-11-18', NULL),
    ('P-00125', 'Fasting glucose', '6.9', 'mmol/L', '3.9-7.8', '2025-11-27', NULL),
    ('P-00125', 'Fasting glucose', '6.5', 'mmol/L', '3.9-7.8', '2025-12-06', NULL),
    ('P-00125', 'Fasting glucose', '6.2', 'mmol/L', '3.9-7.8', '2025-12-15', NULL),
    ('P-00125', 'Fasting glucose', '7.1', 'mmol/L', '3.9-7.8', '2025-12-24', NULL);
