SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.aggregate_sequence (
    key text NOT NULL,
    last bigint NOT NULL
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.calendar (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    definition bytea NOT NULL
);
CREATE TABLE public.characteristic (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    inspection_plan_id uuid NOT NULL,
    stage text NOT NULL,
    spec jsonb NOT NULL
);
CREATE TABLE public.chart (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    characteristic_id uuid NOT NULL,
    equipment_id uuid,
    kind text NOT NULL,
    last_no integer NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.chart_limits (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    chart_id uuid NOT NULL,
    version integer NOT NULL,
    from_no integer NOT NULL,
    source text NOT NULL,
    confirmed boolean NOT NULL,
    confirmed_by text NOT NULL,
    reason text NOT NULL,
    spec jsonb NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.chart_point (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    chart_id uuid NOT NULL,
    no integer NOT NULL,
    inspection_lot_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    n integer NOT NULL,
    "values" jsonb NOT NULL,
    count integer,
    occurred_at timestamp with time zone NOT NULL,
    excluded boolean NOT NULL,
    excluded_by text NOT NULL,
    excluded_reason text NOT NULL
);
CREATE TABLE public.chart_signal (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    chart_id uuid NOT NULL,
    point_id uuid NOT NULL,
    characteristic_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    chart text NOT NULL,
    rule integer NOT NULL,
    value double precision NOT NULL,
    hold boolean NOT NULL,
    state text NOT NULL,
    nonconformance_id uuid,
    occurred_at timestamp with time zone NOT NULL,
    cause text NOT NULL,
    history jsonb NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.equipment (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    work_centre_id uuid,
    calendar_id uuid
);
CREATE TABLE public.idempotency_key (
    principal text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    status bigint NOT NULL,
    media_type text,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.inbox (
    source text NOT NULL,
    event_id uuid NOT NULL,
    processed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE TABLE public.inspection_lot (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    inspection_plan_id uuid NOT NULL,
    stage_no integer NOT NULL,
    stage text NOT NULL,
    cause text NOT NULL,
    state text NOT NULL,
    lot_qty numeric(18,6) NOT NULL,
    good_from numeric(18,6) NOT NULL,
    sampling text NOT NULL,
    aql text NOT NULL,
    sample_size integer NOT NULL,
    accept integer NOT NULL,
    code_letter text NOT NULL,
    severity text NOT NULL,
    gate boolean NOT NULL,
    equipment_id uuid,
    material_id uuid,
    characteristics jsonb NOT NULL,
    round integer NOT NULL,
    nonconforming integer,
    opened_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    inspector text NOT NULL,
    history jsonb NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.inspection_plan (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    stages jsonb NOT NULL,
    outdated boolean NOT NULL
);
CREATE TABLE public.job (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    order_id uuid NOT NULL,
    order_no text NOT NULL,
    code text NOT NULL,
    seq integer NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    qty numeric(18,6) NOT NULL,
    good numeric(18,6) NOT NULL,
    made numeric(18,6) NOT NULL,
    remaining numeric(18,6) NOT NULL,
    uom text NOT NULL,
    inspection_plan_id uuid,
    first_article boolean NOT NULL,
    material_id uuid,
    equipment_id uuid,
    version bigint NOT NULL
);
CREATE TABLE public.material (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL
);
CREATE TABLE public.measurement (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    key uuid,
    inspection_lot_id uuid NOT NULL,
    characteristic_id uuid NOT NULL,
    round integer NOT NULL,
    value double precision,
    defects integer,
    qty integer NOT NULL,
    conforming boolean NOT NULL,
    late boolean NOT NULL,
    gauge text NOT NULL,
    measured_by text NOT NULL,
    recorded_by text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.nonconformance (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    no text NOT NULL,
    order_id uuid NOT NULL,
    job_id uuid NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    defect text NOT NULL,
    note text NOT NULL,
    qty numeric(18,6) NOT NULL,
    hold boolean NOT NULL,
    inspection_lot_id uuid,
    signal_id uuid,
    equipment_id uuid,
    opened_at timestamp with time zone NOT NULL,
    opened_by text NOT NULL,
    dispositions jsonb NOT NULL,
    dispositioned_at timestamp with time zone,
    closed_at timestamp with time zone,
    history jsonb NOT NULL,
    version integer NOT NULL
);
CREATE TABLE public.number_series (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    series text NOT NULL,
    last integer NOT NULL
);
CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone
);
ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.parked_event (
    "position" bigint NOT NULL,
    topic text NOT NULL,
    partition bigint NOT NULL,
    record_offset bigint NOT NULL,
    key text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    error text NOT NULL,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE public.parked_event ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.parked_event_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.sampling_state (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    inspection_plan_id uuid NOT NULL,
    stage_no integer NOT NULL,
    material_id uuid,
    state jsonb NOT NULL,
    edition text NOT NULL,
    changed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.stage_watch (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    job_id uuid NOT NULL,
    stage_no integer NOT NULL,
    good numeric(18,6) NOT NULL,
    made numeric(18,6) NOT NULL,
    at timestamp with time zone,
    shift text,
    equipment_id uuid
);
CREATE TABLE public.work_centre (
    id uuid NOT NULL,
    site_id uuid NOT NULL,
    calendar_id uuid
);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.aggregate_sequence
    ADD CONSTRAINT pk_aggregate_sequence PRIMARY KEY (key);
ALTER TABLE ONLY public.calendar
    ADD CONSTRAINT pk_calendar PRIMARY KEY (id);
ALTER TABLE ONLY public.characteristic
    ADD CONSTRAINT pk_characteristic PRIMARY KEY (id);
ALTER TABLE ONLY public.chart
    ADD CONSTRAINT pk_chart PRIMARY KEY (id);
ALTER TABLE ONLY public.chart_limits
    ADD CONSTRAINT pk_chart_limits PRIMARY KEY (id);
ALTER TABLE ONLY public.chart_point
    ADD CONSTRAINT pk_chart_point PRIMARY KEY (id);
ALTER TABLE ONLY public.chart_signal
    ADD CONSTRAINT pk_chart_signal PRIMARY KEY (id);
ALTER TABLE ONLY public.equipment
    ADD CONSTRAINT pk_equipment PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT pk_idempotency_key PRIMARY KEY (principal, method, path, key);
ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT pk_inbox PRIMARY KEY (source, event_id);
ALTER TABLE ONLY public.inspection_lot
    ADD CONSTRAINT pk_inspection_lot PRIMARY KEY (id);
ALTER TABLE ONLY public.inspection_plan
    ADD CONSTRAINT pk_inspection_plan PRIMARY KEY (id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT pk_job PRIMARY KEY (id);
ALTER TABLE ONLY public.material
    ADD CONSTRAINT pk_material PRIMARY KEY (id);
ALTER TABLE ONLY public.measurement
    ADD CONSTRAINT pk_measurement PRIMARY KEY (id);
ALTER TABLE ONLY public.nonconformance
    ADD CONSTRAINT pk_nonconformance PRIMARY KEY (id);
ALTER TABLE ONLY public.number_series
    ADD CONSTRAINT pk_number_series PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY ("position");
ALTER TABLE ONLY public.parked_event
    ADD CONSTRAINT pk_parked_event PRIMARY KEY ("position");
ALTER TABLE ONLY public.sampling_state
    ADD CONSTRAINT pk_sampling_state PRIMARY KEY (id);
ALTER TABLE ONLY public.stage_watch
    ADD CONSTRAINT pk_stage_watch PRIMARY KEY (id);
ALTER TABLE ONLY public.work_centre
    ADD CONSTRAINT pk_work_centre PRIMARY KEY (id);
CREATE INDEX ix_characteristic_inspection_plan_id ON public.characteristic USING btree (inspection_plan_id);
CREATE INDEX ix_chart_point_inspection_lot_id ON public.chart_point USING btree (inspection_lot_id);
CREATE INDEX ix_chart_signal_chart_id ON public.chart_signal USING btree (chart_id);
CREATE INDEX ix_chart_signal_state ON public.chart_signal USING btree (site_id, state, id);
CREATE INDEX ix_inspection_lot_job ON public.inspection_lot USING btree (job_id, stage_no);
CREATE INDEX ix_inspection_lot_open ON public.inspection_lot USING btree (site_id, opened_at, id) WHERE (state = ANY (ARRAY['Pending'::text, 'InProgress'::text, 'ReInspection'::text]));
CREATE INDEX ix_inspection_lot_opened ON public.inspection_lot USING btree (site_id, opened_at, id);
CREATE INDEX ix_inspection_lot_order_id ON public.inspection_lot USING btree (order_id);
CREATE INDEX ix_job_order_id ON public.job USING btree (order_id);
CREATE INDEX ix_job_plan_state ON public.job USING btree (inspection_plan_id, state);
CREATE INDEX ix_measurement_characteristic ON public.measurement USING btree (characteristic_id, occurred_at);
CREATE INDEX ix_measurement_inspection_lot_id ON public.measurement USING btree (inspection_lot_id, id);
CREATE INDEX ix_nonconformance_job_id ON public.nonconformance USING btree (job_id);
CREATE INDEX ix_nonconformance_order_id ON public.nonconformance USING btree (order_id);
CREATE INDEX ix_nonconformance_state ON public.nonconformance USING btree (site_id, state, id);
CREATE INDEX ix_outbox_unsent ON public.outbox USING btree ("position") WHERE (sent_at IS NULL);
CREATE INDEX ix_parked_event_topic_key ON public.parked_event USING btree (topic, key);
CREATE UNIQUE INDEX uq_chart ON public.chart USING btree (site_id, characteristic_id, equipment_id) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX uq_chart_limits ON public.chart_limits USING btree (site_id, chart_id, version);
CREATE UNIQUE INDEX uq_chart_point ON public.chart_point USING btree (site_id, chart_id, no);
CREATE UNIQUE INDEX uq_chart_signal ON public.chart_signal USING btree (site_id, point_id, chart, rule);
CREATE UNIQUE INDEX uq_measurement_key ON public.measurement USING btree (site_id, key) WHERE (key IS NOT NULL);
CREATE UNIQUE INDEX uq_nonconformance_site_id_no ON public.nonconformance USING btree (site_id, no);
CREATE UNIQUE INDEX uq_number_series ON public.number_series USING btree (site_id, series);
CREATE UNIQUE INDEX uq_sampling_state ON public.sampling_state USING btree (site_id, inspection_plan_id, stage_no, material_id) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX uq_stage_watch ON public.stage_watch USING btree (site_id, job_id, stage_no);
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
INSERT INTO public.alembic_version VALUES ('0001');
